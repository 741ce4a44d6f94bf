"""Pages by keyset, upserts and updates, on both databases."""

import asyncio
from datetime import UTC, datetime

import pytest

from accounts.models import User
from accounts.repositories import UserRepository
from qulab.db.engine import Database
from qulab.db.errors import Conflict
from qulab.db.probe import probe


async def fill(database: Database, count: int, *, name: str = "Same") -> list[str]:
    async with database.writing() as session:
        users = await UserRepository(session).add_many(
            [User(email=f"user{number:05}@example.com", name=name) for number in range(count)]
        )
        await session.commit()
    return [user.id for user in users]


class TestPage:
    @pytest.mark.parametrize("descending", [True, False])
    async def test_walks_through_all_rows_once_also_where_they_have_the_same_value(
        self, database: Database, descending: bool
    ) -> None:
        ids = await fill(database, 23)
        seen: list[str] = []

        async with database.reading() as session:
            repository, after = UserRepository(session), None
            while True:
                page = await repository.page(order_by=(User.name, User.id), after=after, descending=descending, limit=5)
                seen += [user.id for user in page.rows]
                if (after := page.after) is None:
                    break

        assert seen == sorted(ids, reverse=descending)

    async def test_a_full_last_page_has_none_behind_it(self, database: Database) -> None:
        await fill(database, 10)

        async with database.reading() as session:
            first = await UserRepository(session).page(limit=5)
            last = await UserRepository(session).page(limit=5, after=first.after)

        assert first.after is not None
        assert len(last.rows) == 5
        assert last.after is None

    async def test_a_row_that_comes_meanwhile_neither_hides_nor_repeats_another(self, database: Database) -> None:
        ids = await fill(database, 6)
        async with database.reading() as session:
            first = await UserRepository(session).page(limit=3)

        async with database.writing() as session:
            await UserRepository(session).create(User(email="new@example.com", name="New"))
            await session.commit()
        async with database.reading() as session:
            second = await UserRepository(session).page(limit=3, after=first.after)

        assert [user.id for user in (*first.rows, *second.rows)] == ids[::-1]

    async def test_a_deep_page_is_asked_for_by_comparison_and_not_by_counting_rows(self, database: Database) -> None:
        await fill(database, 30)
        async with database.reading() as session:
            place = (await UserRepository(session).page(limit=10)).after
            with probe(database.engine) as opened:
                await UserRepository(session).page(limit=10, after=place)

        (statement,) = [one.sql for one in opened.statements if not one.controls]
        assert "WHERE users.id < " in statement


class TestUpsert:
    async def test_inserts_and_then_changes_the_same_row(self, database: Database) -> None:
        async with database.writing() as session:
            repository = UserRepository(session)
            first = await repository.upsert({"email": "a@example.com", "name": "First"}, unique=["email"])
            created, first_id = first.created_at, first.id
            second = await repository.upsert({"email": "a@example.com", "name": "Second"}, unique=["email"])
            await session.commit()

        assert (second.id, second.name, second.created_at) == (first_id, "Second", created)
        assert second.updated_at > created

    async def test_two_hundred_at_once_all_succeed(self, database: Database, settings: object) -> None:
        settings.DB_BUSY_TIMEOUT = 60  # type: ignore[attr-defined]  # the claim is of counts, on a machine however busy

        async def once(number: int) -> str:
            async with database.writing() as session:
                values = {"email": f"{number % 5}@example.com", "name": str(number)}
                user = await UserRepository(session).upsert(values, unique=["email"])
                await session.commit()
                return user.id

        ids = await asyncio.gather(*(once(number) for number in range(200)))

        assert len(ids) == 200
        assert len(set(ids)) == 5

    async def test_where_only_the_unique_column_is_given_the_row_is_returned(self, database: Database) -> None:
        async with database.writing() as session:
            values = {"id": "one", "email": "a@example.com", "name": "A"}
            await UserRepository(session).upsert(values, unique=["id", "email", "name"][:1])
            user = await UserRepository(session).upsert(values, unique=["id"])

        assert user.id == "one"

    async def test_the_row_keeps_its_id(self, database: Database) -> None:
        (stored,) = await fill(database, 1)

        async with database.writing() as session:
            values = {"id": "another", "email": "user00000@example.com", "name": "New"}
            user = await UserRepository(session).upsert(values, unique=["email"])

        assert (user.id, user.name) == (stored, "New")

    async def test_another_constraint_is_a_conflict(self, database: Database) -> None:
        await fill(database, 1)

        values = {"id": "other", "email": "user00000@example.com", "name": "X"}
        async with database.writing() as session:
            with pytest.raises(Conflict) as conflict:
                await UserRepository(session).upsert(values, unique=["id"])

        assert conflict.value.field == "email"


class TestUpdate:
    async def test_changes_the_rows_that_match_and_says_how_many(self, database: Database) -> None:
        ids = await fill(database, 4)

        async with database.writing() as session:
            changed = await UserRepository(session).update(User.id.in_(ids[:3]), name="New")
            await session.commit()

        async with database.reading() as session:
            names = {user.id: user.name for user in await UserRepository(session).list()}
        assert changed == 3
        assert [names[id_] for id_ in ids] == ["New", "New", "New", "Same"]

    async def test_notes_when(self, database: Database) -> None:
        (id_,) = await fill(database, 1)
        before = datetime.now(UTC)

        async with database.writing() as session:
            await UserRepository(session).update(User.id == id_, name="New")
            await session.commit()

        async with database.reading() as session:
            assert (await UserRepository(session).one(id_)).updated_at >= before

    async def test_a_value_that_is_taken_is_a_conflict(self, database: Database) -> None:
        ids = await fill(database, 2)

        async with database.writing() as session:
            with pytest.raises(Conflict) as conflict:
                await UserRepository(session).update(User.id == ids[1], email="user00000@example.com")

        assert conflict.value.field == "email"
