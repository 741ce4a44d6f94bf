import asyncio

import pytest
from sqlalchemy import text, update

from accounts.models import User
from accounts.repositories import UserRepository
from qulab.db.engine import Database
from qulab.db.errors import Conflict, NotFound, ReadOnlySession
from qulab.db.session import Session


def user(number: int) -> User:
    return User(email=f"user{number}@example.com", name=f"User {number}")


async def count(database: Database) -> int:
    async with database.reading() as session:
        return await UserRepository(session).count()


class TestSession:
    async def test_stores_nothing_without_a_commit_by_name(self, database: Database) -> None:
        async with database.writing() as session:
            await UserRepository(session).create(user(1))

        assert await count(database) == 0

    async def test_stores_what_was_committed(self, database: Database) -> None:
        async with database.writing() as session:
            await UserRepository(session).create(user(1))
            await session.commit()

        assert await count(database) == 1

    async def test_refuses_to_write_when_it_was_opened_for_reading(self, database: Database) -> None:
        async with database.reading() as session:
            session.add(user(1))
            with pytest.raises(ReadOnlySession):
                await session.flush()

    async def test_fails_when_used_after_its_end(self, database: Database) -> None:
        """A stream that reuses a closed session must fail instead of leaking a connection."""
        async with database.reading() as session:
            pass

        with pytest.raises(Exception, match=r"closed|permanently"):
            await session.execute(text("SELECT 1"))
        assert database.pool_state().checked_out == 0

    async def test_two_hundred_concurrent_increments_all_count(self, database: Database, settings: object) -> None:
        settings.DB_BUSY_TIMEOUT = 60  # type: ignore[attr-defined]  # the claim is of counts, on a machine however busy
        async with database.writing() as session:
            first = await UserRepository(session).create(user(1))
            first.years_experience = 0.0
            await session.commit()

        async def increment() -> None:
            async with database.writing() as session:
                if database.dialect == "postgresql":
                    await session.execute(text("SELECT 1 FROM users FOR UPDATE"))
                row = await UserRepository(session).one(first.id)
                assert row.years_experience is not None
                row.years_experience += 1
                await session.commit()

        await asyncio.gather(*(increment() for _ in range(200)))

        async with database.reading() as session:
            assert (await UserRepository(session).one(first.id)).years_experience == 200

    async def test_a_commit_that_a_disconnecting_client_cancels_is_finished(self, database: Database) -> None:
        ran: list[str] = []
        started, released = asyncio.Event(), asyncio.Event()

        async def hook() -> None:
            started.set()
            await released.wait()
            ran.append("hook")

        async def request() -> None:
            async with database.writing() as session:
                await UserRepository(session).create(user(1))
                session.on_commit(hook)
                await session.commit()

        task = asyncio.create_task(request())
        await started.wait()
        task.cancel()
        await asyncio.wait([task], timeout=0.05)
        assert not task.done()  # it waits for what it began
        released.set()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await count(database) == 1
        assert ran == ["hook"]
        assert database.pool_state().checked_out == 0

    async def test_a_cancellation_is_raised_also_when_the_commit_it_met_fails(
        self, database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started, released = asyncio.Event(), asyncio.Event()

        async def fails(_session: Session) -> None:
            started.set()
            await released.wait()
            raise ConnectionResetError("the server went away")

        monkeypatch.setattr(Session, "_commit_and_run_hooks", fails)

        async def request() -> None:
            async with database.writing() as session:
                await session.commit()

        task = asyncio.create_task(request())
        await started.wait()
        task.cancel()
        await asyncio.sleep(0)
        released.set()

        with pytest.raises(asyncio.CancelledError):
            await task
        assert "the server went away" in caplog.text

    async def test_a_statement_that_writes_is_refused_in_a_read_session(self, database: Database) -> None:
        async with database.reading() as session:
            with pytest.raises(ReadOnlySession):
                await session.execute(update(User).values(name="Everybody"))

    async def test_begin_is_refused_since_its_block_would_commit_without_the_hooks(self, database: Database) -> None:
        async with database.writing() as session:
            with pytest.raises(RuntimeError, match="commit"):
                session.begin()


class TestOnCommit:
    @pytest.fixture
    def ran(self) -> list[str]:
        return []

    def note(self, session: Session, ran: list[str], what: str) -> None:
        async def hook() -> None:
            ran.append(what)

        session.on_commit(hook)

    async def test_runs_after_the_root_commit_and_not_at_the_release_of_a_savepoint(
        self, database: Database, ran: list[str]
    ) -> None:
        async with database.writing() as session:
            async with session.begin_nested():
                self.note(session, ran, "inner")
            assert ran == []
            await session.commit()

        assert ran == ["inner"]

    async def test_is_dropped_with_a_rolled_back_savepoint_and_others_stay(
        self, database: Database, ran: list[str]
    ) -> None:
        async with database.writing() as session:
            self.note(session, ran, "outer")
            nested = await session.begin_nested()
            self.note(session, ran, "inner")
            await nested.rollback()
            await session.commit()

        assert ran == ["outer"]

    async def test_a_failed_flush_in_a_savepoint_keeps_the_hooks_outside_it(
        self, database: Database, ran: list[str]
    ) -> None:
        async with database.writing() as session:
            await UserRepository(session).create(user(1))
            self.note(session, ran, "outer")
            with pytest.raises(Conflict):  # noqa: PT012 - the savepoint ends inside
                async with session.begin_nested():
                    self.note(session, ran, "inner")
                    await UserRepository(session).create(user(1))
            await session.commit()

        assert ran == ["outer"]

    async def test_is_dropped_with_a_rollback(self, database: Database, ran: list[str]) -> None:
        async with database.writing() as session:
            await UserRepository(session).create(user(1))
            self.note(session, ran, "never")
            await session.rollback()
            await session.commit()

        assert ran == []

    async def test_is_dropped_with_a_rollback_before_anything_was_asked(
        self, database: Database, ran: list[str]
    ) -> None:
        async with database.writing() as session:
            self.note(session, ran, "never")
            await session.rollback()
            await session.commit()

        assert ran == []

    async def test_a_hook_that_fails_harms_neither_the_commit_nor_other_hooks(
        self, database: Database, ran: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        async def fails() -> None:
            raise RuntimeError("the mail server is away")

        async with database.writing() as session:
            await UserRepository(session).create(user(1))
            session.on_commit(fails)
            self.note(session, ran, "second")
            await session.commit()

        assert ran == ["second"]
        assert "the mail server is away" in caplog.text
        assert await count(database) == 1


class TestConflict:
    async def test_names_the_constraint_and_the_field(self, database: Database) -> None:
        async with database.writing() as session:
            await UserRepository(session).create(user(1))
            with pytest.raises(Conflict) as caught:
                await UserRepository(session).create(user(1))

        assert (caught.value.constraint, caught.value.field) == ("ix_users_email", "email")

    async def test_names_a_check_constraint(self, database: Database) -> None:
        from outbox.events import record_event
        from qulab.db.repository import conflicts

        async with database.writing() as session:
            event = record_event(session, event_type="E", aggregate_type="A", aggregate_id="1", payload={})
            event.status = "half-published"
            with pytest.raises(Conflict) as caught:
                async with conflicts():
                    await session.flush()

        assert caught.value.constraint == "ck_domain_events_status_known"


class TestRepository:
    async def test_one_raises_not_found_and_get_by_id_returns_none(self, database: Database) -> None:
        async with database.reading() as session:
            assert await UserRepository(session).get_by_id("nobody") is None
            with pytest.raises(NotFound, match="nobody"):
                await UserRepository(session).one("nobody")

    async def test_an_id_with_a_null_byte_is_simply_not_there(self, database: Database) -> None:
        async with database.reading() as session:
            assert await UserRepository(session).get_by_id("a\x00b") is None

    async def test_lists_the_newest_first_up_to_the_limit(self, database: Database) -> None:
        async with database.writing() as session:
            for number in range(5):
                await UserRepository(session).create(user(number))
            await session.commit()

        async with database.reading() as session:
            names = [row.name for row in await UserRepository(session).list(limit=2)]

        assert names == ["User 4", "User 3"]

    async def test_a_relationship_that_was_not_asked_for_raises(self, database: Database) -> None:
        async with database.writing() as session:
            created = await UserRepository(session).create(user(1))
            await session.commit()

        async with database.reading() as session:
            row = await UserRepository(session).one(created.id)
            with pytest.raises(Exception, match="raise"):
                _ = row.scores

    async def test_datetimes_come_back_aware_and_in_utc(self, database: Database) -> None:
        async with database.writing() as session:
            created = await UserRepository(session).create(user(1))
            await session.commit()

        async with database.reading() as session:
            row = await UserRepository(session).one(created.id)
            assert row.created_at == created.created_at
            assert row.created_at.utcoffset() is not None

    async def test_a_naive_datetime_is_refused(self, database: Database) -> None:
        async with database.writing() as session:
            naive = user(1)
            naive.created_at = naive_now()
            session.add(naive)
            with pytest.raises(Exception, match="has no time zone"):
                await session.flush()


def naive_now():  # type: ignore[no-untyped-def]
    from qulab.db.base import utcnow

    return utcnow().replace(tzinfo=None)
