"""What PostgreSQL refuses or loses is tried again. On SQLite the one writer waits, and no connection is lost."""

import asyncio

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session as SyncSession

from accounts.models import User
from accounts.repositories import UserRepository
from qulab.db.engine import Database
from qulab.db.retry import ATTEMPTS, retried
from qulab.db.session import Session

NO_LUCK = text("DO $$ BEGIN RAISE EXCEPTION 'no luck' USING ERRCODE = '40001'; END $$")

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


async def count(database: Database) -> int:
    async with database.reading() as session:
        return await UserRepository(session).count()


async def pid_of(session: Session) -> int:
    return int(await session.scalar(text("SELECT pg_backend_pid()")) or 0)


async def terminate(database: Database, pid: int) -> None:
    async with database.engine.connect() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


@on_postgresql
class TestSerializationFailure:
    async def test_thirty_concurrent_increments_all_count(self, database: Database) -> None:
        async with database.writing() as session:
            user = await UserRepository(session).create(User(email="a@example.com", name="A", years_experience=0))
            await session.commit()
        attempts = 0

        @retried
        async def increment(session: Session) -> None:
            nonlocal attempts
            attempts += 1
            await session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
            found = await UserRepository(session).one(user.id)
            await asyncio.sleep(0.002)
            found.years_experience = (found.years_experience or 0) + 1
            await session.commit()

        # Four at a time: thirty rivals at once may use up the attempts of one call.
        places = asyncio.Semaphore(4)

        async def turn() -> None:
            async with places, database.writing() as session:
                await increment(session)

        await asyncio.gather(*(turn() for _ in range(30)))

        async with database.reading() as session:
            assert (await UserRepository(session).one(user.id)).years_experience == 30
        assert attempts > 30

    async def test_is_raised_after_the_last_attempt(self, database: Database) -> None:
        attempts = 0

        @retried
        async def always_fails(session: Session) -> None:
            nonlocal attempts
            attempts += 1
            await session.execute(NO_LUCK)

        async with database.writing() as session:
            with pytest.raises(DBAPIError, match="no luck"):
                await always_fails(session)

        assert attempts == ATTEMPTS

    async def test_is_not_tried_again_inside_a_transaction_that_somebody_else_began(self, database: Database) -> None:
        attempts = 0

        @retried
        async def fails(session: Session) -> None:
            nonlocal attempts
            attempts += 1
            await session.execute(NO_LUCK)

        async with database.writing() as session:
            await session.execute(text("SELECT 1"))
            with pytest.raises(DBAPIError):
                await fails(session)

        assert attempts == 1


@on_postgresql
class TestLostConnection:
    async def test_before_the_commit_is_tried_again_and_stores_one_row(self, database: Database) -> None:
        attempts = 0

        @retried
        async def create(session: Session) -> None:
            nonlocal attempts
            attempts += 1
            await UserRepository(session).create(User(email="a@example.com", name="A"))
            if attempts == 1:
                await terminate(database, await pid_of(session))
            await UserRepository(session).create(User(email="b@example.com", name="B"))
            await session.commit()

        async with database.writing() as session:
            await create(session)

        assert attempts == 2
        assert await count(database) == 2
        assert database.pool_state().checked_out == 0

    async def test_in_the_commit_is_raised_since_nobody_knows_whether_it_was_stored(self, database: Database) -> None:
        attempts = 0

        @retried
        async def create(session: Session) -> None:
            nonlocal attempts
            attempts += 1
            await UserRepository(session).create(User(email=f"{attempts}@example.com", name="A"))
            pid = await pid_of(session)

            def kill(_session: SyncSession) -> None:
                from sqlalchemy.util import await_only

                await_only(terminate(database, pid))

            event.listen(session.sync_session, "before_commit", kill)
            await session.commit()

        async with database.writing() as session:
            with pytest.raises(DBAPIError):
                await create(session)

        assert attempts == 1


@on_postgresql
class TestNoConnection:
    async def test_to_a_server_that_is_just_restarting_is_tried_again(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await database.engine.dispose()
        opening, refusals = database.pool._create_connection, [ConnectionRefusedError("restarting")] * 2

        def refused_at_first():  # type: ignore[no-untyped-def]
            if refusals:
                raise refusals.pop()
            return opening()

        @retried
        async def create(session: Session) -> None:
            await UserRepository(session).create(User(email="a@example.com", name="A"))
            await session.commit()

        monkeypatch.setattr(database.pool, "_create_connection", refused_at_first)
        async with database.writing() as session:
            await create(session)

        assert refusals == []
        assert await count(database) == 1


class TestOtherErrors:
    """On both databases."""

    async def test_are_raised_at_once(self, database: Database) -> None:
        attempts = 0

        @retried
        async def wrong(session: Session) -> None:
            nonlocal attempts
            attempts += 1
            await session.execute(text("SELECT no_such_column"))

        async with database.writing() as session:
            with pytest.raises(DBAPIError):
                await wrong(session)

        assert attempts == 1
