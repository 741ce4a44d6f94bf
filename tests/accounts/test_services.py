import asyncio

import pytest
from redis.asyncio import Redis
from sqlalchemy import select, text

from accounts.cached import USER, CachedUserRepository
from accounts.forms import UserForm
from accounts.models import User
from accounts.repositories import UserRepository
from accounts.services import create_sample_users, create_user, delete_user, ensure_user, remove_users, update_user
from assessments.repositories import AIRScoreRepository
from assessments.services import add_sample_scores
from outbox.models import DomainEvent
from qulab.cache.metrics import Outcome
from qulab.cache.read_through import Cache
from qulab.db.engine import Database
from qulab.db.errors import Conflict, NotFound, Stale
from qulab.db.session import Session

pytestmark = pytest.mark.usefixtures("cache", "streams_client")


async def event_types(database: Database) -> list[str]:
    async with database.reading() as session:
        return list(await session.scalars(select(DomainEvent.event_type).order_by(DomainEvent.seq)))


class TestCreateUser:
    async def test_stores_the_user_and_its_event_together(self, database: Database) -> None:
        async with database.writing() as session:
            user = await create_user(session, email=" Alex@Example.com ", name=" Alex ")

        async with database.reading() as session:
            stored = await UserRepository(session).one(user.id)
        assert (stored.email, stored.name) == ("alex@example.com", "Alex")
        assert await event_types(database) == ["UserCreated"]

    async def test_a_taken_address_stores_nothing(self, database: Database) -> None:
        async with database.writing() as session:
            await create_user(session, email="a@example.com", name="A")
        async with database.writing() as session:
            with pytest.raises(Conflict) as caught:
                await create_user(session, email="A@EXAMPLE.com", name="B")

        assert caught.value.field == "email"
        assert await event_types(database) == ["UserCreated"]

    async def test_of_two_at_once_with_one_address_one_is_stored(self, database: Database) -> None:
        async def create() -> None:
            async with database.writing() as session:
                await create_user(session, email="a@example.com", name="A")

        results = await asyncio.gather(*(create() for _ in range(10)), return_exceptions=True)

        assert sum(isinstance(result, Conflict) for result in results) == 9
        assert await event_types(database) == ["UserCreated"]

    async def test_sample_users_are_created_once(self, database: Database) -> None:
        for _ in range(2):
            async with database.writing() as session:
                users = await create_sample_users(session)

        assert [user.name for user in users] == ["Alex Smith", "Jane Doe"]
        assert await event_types(database) == ["UserCreated"] * 2

    async def test_ensure_user_finds_who_is_there(self, database: Database) -> None:
        async with database.writing() as session:
            first = await ensure_user(session, email="demo@example.com", name="Demo")
        async with database.writing() as session:
            second = await ensure_user(session, email="demo@example.com", name="Demo")

        assert first.id == second.id


class TestUpdateUser:
    async def test_treats_an_address_as_create_does(self, database: Database) -> None:
        async with database.writing() as session:
            user = await create_user(session, email="a@example.com", name="A")
        async with database.writing() as session:
            updated = await update_user(session, user_id=user.id, email=" B@EXAMPLE.com")

        assert updated.email == "b@example.com"

    async def test_refuses_what_is_no_field_of_a_profile(self, database: Database) -> None:
        async with database.writing() as session:
            user = await create_user(session, email="a@example.com", name="A")
            with pytest.raises(ValueError, match="id"):
                await update_user(session, user_id=user.id, id="another")


class TestDeleteUser:
    async def test_takes_assessments_and_scores_along_in_the_database(self, database: Database) -> None:
        async with database.writing() as session:
            user = await create_user(session, email="a@example.com", name="A")
        async with database.writing() as session:
            await add_sample_scores(session, user_id=user.id)
        async with database.writing() as session:
            await delete_user(session, user_id=user.id)

        async with database.reading() as session:
            assert await AIRScoreRepository(session).count() == 0
        assert (await event_types(database))[-1] == "UserDeleted"

    async def test_of_an_unknown_user_raises_not_found(self, database: Database) -> None:
        async with database.writing() as session:
            with pytest.raises(NotFound):
                await delete_user(session, user_id="nobody")


class TestRemoveUsers:
    async def test_removes_those_who_match_with_an_event_for_each(self, database: Database, cache: Cache) -> None:
        async with database.writing() as session:
            gone = [(await create_user(session, email=f"a{n}@example.com", name="Gone")).id for n in range(3)]
            kept = (await create_user(session, email="b@example.com", name="Kept")).id
        repository = CachedUserRepository(database, cache)
        assert await repository.get_by_id_cached(gone[0])

        async with database.writing() as session:
            removed = await remove_users(session, User.name == "Gone")
            await session.commit()

        assert removed == 3
        assert await event_types(database) == ["UserCreated"] * 4 + ["UserDeleted"] * 3
        assert await repository.get_by_id_cached(gone[0]) is None
        assert await repository.get_by_id_cached(kept)

    async def test_commits_nothing_by_itself(self, database: Database) -> None:
        async with database.writing() as session:
            user = await create_user(session, email="a@example.com", name="A")
        async with database.writing() as session:
            await remove_users(session, User.id == user.id)

        async with database.reading() as session:
            assert await UserRepository(session).exists(User.id == user.id)
        assert await event_types(database) == ["UserCreated"]


class TestEagerLoading:
    async def test_a_user_with_scores_takes_two_statements(self, database: Database) -> None:
        from qulab.db.probe import probe

        async with database.writing() as session:
            user = await create_user(session, email="a@example.com", name="A")
        async with database.writing() as session:
            await add_sample_scores(session, user_id=user.id)

        async with database.reading() as session:
            with probe(database.engine) as log:
                loaded = await UserRepository(session).get_user_with_scores_eager(user.id)

        assert loaded is not None
        assert len(loaded.scores) == 3
        assert log.count == 2


class TestCachedUser:
    async def create(self, database: Database) -> str:
        async with database.writing() as session:
            return (await create_user(session, email="a@example.com", name="Before")).id

    async def test_an_update_is_seen_by_the_next_read(self, database: Database, cache: Cache) -> None:
        repository = CachedUserRepository(database, cache)
        user_id = await self.create(database)
        await repository.get_by_id_cached(user_id)
        async with database.writing() as session:
            await update_user(session, user_id=user_id, name="After")

        lookup = await repository.lookup_by_id(user_id)

        assert lookup.outcome is Outcome.MISS
        assert lookup.value is not None
        assert lookup.value.name == "After"

    async def test_a_rolled_back_update_invalidates_nothing(self, database: Database, cache: Cache) -> None:
        """I5."""
        repository = CachedUserRepository(database, cache)
        user_id = await self.create(database)
        await repository.get_by_id_cached(user_id)

        async with database.writing() as session:
            await self.update_and_roll_back(session, user_id)

        assert (await repository.lookup_by_id(user_id)).outcome is Outcome.HIT

    async def update_and_roll_back(self, session: Session, user_id: str) -> None:
        from accounts.services import forget_cached_users

        user = await UserRepository(session).one(user_id)
        user.name = "Never"
        forget_cached_users(session, user_id)
        await session.flush()
        await session.rollback()

    async def test_the_key_is_the_documented_one(self, database: Database, cache: Cache) -> None:
        user_id = await self.create(database)
        await CachedUserRepository(database, cache).get_by_id_cached(user_id)

        assert USER.key(user_id) == f"q3:user:{user_id}"
        assert 3000 < await cache.redis.ttl(USER.key(user_id)) <= 3660  # a minute of grace

    async def test_the_event_of_a_change_invalidates_again(
        self, database: Database, cache: Cache, streams_client: Redis
    ) -> None:
        """The writer died between its commit and its invalidation; the consumer does it."""
        from django.utils.module_loading import autodiscover_modules

        from outbox.consumer import Consumer
        from outbox.relay import Relay

        autodiscover_modules("consumers")
        repository = CachedUserRepository(database, cache)
        user_id = await self.create(database)
        async with database.writing() as session:
            await update_user(session, user_id=user_id, name="After")
        stale, _ = USER.encode(None)
        await cache.redis.set(USER.key(user_id), stale)

        await Relay(database, streams_client).drain()
        consumer = Consumer(database, streams_client, "test")
        await consumer.step()

        value = await repository.get_by_id_cached(user_id)
        assert value is not None
        assert value.name == "After"


class TestUserForm:
    @pytest.mark.parametrize(
        ("email", "name", "field"),
        [
            ("", "A", "email"),
            ("not-an-address", "A", "email"),
            ("a@b", "A", "email"),
            (f"{'a' * 250}@example.com", "A", "email"),
            ("a@example.com", "", "name"),
            ("a@example.com", "   ", "name"),
            ("a@example.com", "n" * 256, "name"),
            ("a@example.com", "null\x00byte", "name"),
            ("a@example.com", "Andr\ufffd", "name"),
            ("a@example.com", "two\nlines", "name"),
            ("a@example.com", "\u200b", "name"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, email: str, name: str, field: str) -> None:
        form = UserForm({"email": email, "name": name})

        assert not form.is_valid()
        assert set(form.errors) == {field}


class TestEditing:
    async def test_a_form_that_is_older_than_the_row_overwrites_nothing(self, database: Database) -> None:
        async with database.writing() as session:
            user = await create_user(session, email="a@example.com", name="A")
        seen = user.version
        async with database.writing() as session:
            await update_user(session, user_id=user.id, version=seen, name="B")

        async with database.writing() as session:
            with pytest.raises(Stale, match="changed or deleted by someone else"):
                await update_user(session, user_id=user.id, version=seen, name="C")

        async with database.reading() as session:
            stored = await UserRepository(session).one(user.id)
        assert (stored.name, stored.version) == ("B", seen + 1)

    async def test_a_change_between_reading_and_writing_is_noticed_without_a_version_too(
        self, database: Database
    ) -> None:
        """The row moves under the session by hand: on SQLite a second writer would wait for the first."""
        async with database.writing() as session:
            user = await create_user(session, email="a@example.com", name="A")
        async with database.writing() as session:
            repository = UserRepository(session)
            mine = await repository.one(user.id)
            await session.execute(text("UPDATE users SET version = version + 1, name = 'theirs'"))
            mine.name = "mine"
            with pytest.raises(Stale):
                await repository.add(mine)

    async def test_a_row_that_the_caller_kept_from_an_earlier_change_is_read_again(self, database: Database) -> None:
        async with database.writing() as session:
            user = await create_user(session, email="a@example.com", name="A")
        async with database.writing() as session:
            kept = await update_user(session, user_id=user.id, name="B")
            async with database.writing() as other:
                await update_user(other, user_id=user.id, name="C")

            changed = await update_user(session, user_id=user.id, education_level="PhD")

        assert changed is kept
        assert (changed.name, changed.education_level) == ("C", "PhD")

    async def test_statements_past_the_unit_of_work_count_as_changes(self, database: Database) -> None:
        async with database.writing() as session:
            user = await create_user(session, email="a@example.com", name="A")
        async with database.writing() as session:
            repository = UserRepository(session)
            await repository.update(User.id == user.id, name="B")
            changed = await repository.upsert({"email": "a@example.com", "name": "C"}, unique=["email"])
            await session.commit()

        assert changed.version == user.version + 2
