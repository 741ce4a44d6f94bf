"""Connections are handed out in turn, and none is lost, whatever becomes of who waited for it."""

import asyncio
import hashlib
import inspect
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool
from sqlalchemy.util.queue import AsyncAdaptedQueue

from qulab.db import pool
from qulab.db.engine import Database, create_database
from qulab.db.pool import BOUNDS, Waits

READ = {
    "where a connection comes from": (QueuePool._do_get, "765070dd194a6c65"),
    "that an idle one is taken without waiting": (AsyncAdaptedQueue.get, "9d055213ddf8ea8b"),
    "where it goes": (QueuePool._do_return_conn, "1293464fa598c318"),
    "who may open one": (QueuePool._inc_overflow, "8d4c8119aee0109a"),
    "that one is gone": (QueuePool._dec_overflow, "7e9f70ddc3bcbe82"),
}


@pytest.mark.parametrize(("function", "expected"), READ.values(), ids=list(READ))
def test_the_source_that_the_pool_relies_on_is_the_one_that_was_read(function: object, expected: str) -> None:
    source = inspect.getsource(function)  # type: ignore[arg-type]

    assert issubclass(AsyncAdaptedQueuePool, QueuePool)
    assert hashlib.sha256(source.encode()).hexdigest()[:16] == expected


@pytest.fixture
async def one(migrated: str) -> AsyncIterator[Database]:
    """A database with a single connection."""
    database = create_database(migrated, pool_size=1, max_overflow=0, pool_timeout=5)
    yield database
    await database.close()


async def use(database: Database, name: str, order: list[str], turns: int = 1) -> None:
    for _ in range(turns):
        async with database.engine.connect() as connection:
            order.append(name)
            await connection.execute(text("SELECT 1"))


async def settled() -> None:
    """Let every task that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


class TestTurns:
    async def test_who_asked_first_is_served_first(self, one: Database) -> None:
        """A greedy task asks again and again, beside others that wait: it has one turn in each round."""
        order: list[str] = []

        await asyncio.gather(*(use(one, name, order, turns=5) for name in "abcd"))

        assert order == list("abcd") * 5

    async def test_a_newcomer_does_not_pass_one_who_was_given_a_connection_and_has_not_run_yet(
        self, one: Database
    ) -> None:
        order: list[str] = []
        held = await one.engine.connect()
        waiting = asyncio.create_task(use(one, "first", order))
        await settled()

        await held.close()
        await asyncio.gather(use(one, "newcomer", order), waiting)

        assert order == ["first", "newcomer"]


class TestNothingIsLost:
    async def test_when_a_waiter_is_cancelled(self, one: Database) -> None:
        held = await one.engine.connect()
        waiters = [asyncio.create_task(use(one, "x", [])) for _ in range(10)]
        await settled()

        for waiter in waiters[::2]:
            waiter.cancel()
        await held.close()
        await asyncio.gather(*waiters, return_exceptions=True)

        assert [waiter.cancelled() for waiter in waiters] == [True, False] * 5
        assert (one.pool_state().checked_out, one.pool_state().idle) == (0, 1)

    async def test_when_a_waiter_is_cancelled_after_it_was_given_one(self, one: Database) -> None:
        order: list[str] = []
        held = await one.engine.connect()
        given = asyncio.create_task(use(one, "given", order))
        next_one = asyncio.create_task(use(one, "next", order))
        await settled()
        returned = held.sync_connection.connection  # type: ignore[union-attr]
        record = returned._connection_record
        assert record is not None
        give = one.pool._give

        def give_and_cancel(what: object) -> bool:
            done = give(what)  # type: ignore[arg-type]
            given.cancel()
            return done

        one.pool._give = give_and_cancel  # type: ignore[method-assign, assignment]
        await held.close()
        one.pool._give = give  # type: ignore[method-assign]
        await asyncio.gather(given, next_one, return_exceptions=True)

        assert given.cancelled()
        assert order == ["next"]
        assert (one.pool_state().checked_out, one.pool_state().idle) == (0, 1)

    async def test_when_nobody_gives_one_back_in_time(self, migrated: str) -> None:
        database = create_database(migrated, pool_size=1, max_overflow=0, pool_timeout=0.05)
        held = await database.engine.connect()

        with pytest.raises(PoolTimeout, match=r"no connection became free within 0\.05 s"):
            await database.engine.connect()
        await held.close()
        await use(database, "x", [])

        assert database.waits.timeouts == 1
        assert (database.pool_state().checked_out, database.pool_state().idle) == (0, 1)
        await database.close()

    async def test_when_one_is_found_broken_while_others_wait(self, one: Database) -> None:
        """It is closed, so another may be opened: by a waiter, who would otherwise wait for ever."""
        held = await one.engine.connect()
        order: list[str] = []
        waiters = [asyncio.create_task(use(one, "x", order)) for _ in range(3)]
        await settled()

        await held.invalidate()
        await held.close()
        await asyncio.wait_for(asyncio.gather(*waiters), 5)

        assert order == ["x"] * 3
        assert one.pool_state().checked_out == 0

    async def test_when_a_new_one_cannot_be_opened_while_others_wait(
        self, one: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opening, failures = one.pool._create_connection, [OSError("the server said no")] * 3
        began = asyncio.Event()

        def fails_at_first():  # type: ignore[no-untyped-def]
            from sqlalchemy.util import await_only

            began.set()
            await_only(asyncio.sleep(0))  # others come to wait meanwhile
            if failures:
                raise failures.pop()
            return opening()

        monkeypatch.setattr(one.pool, "_create_connection", fails_at_first)

        results = await asyncio.wait_for(
            asyncio.gather(*(use(one, "x", []) for _ in range(6)), return_exceptions=True), 5
        )

        assert [type(result) for result in results].count(OSError) == 3
        assert (one.pool_state().checked_out, one.pool_state().idle) == (0, 1)

    async def test_two_thousand_requests_that_come_and_go_leave_every_connection_in_its_place(
        self, migrated: str
    ) -> None:
        database = create_database(migrated, pool_size=3, max_overflow=2, pool_timeout=5)

        async def come_and_go(number: int) -> None:
            if number % 3 == 0:
                async with asyncio.timeout(0.0001 * (number % 20)):
                    await use(database, "x", [])
            else:
                await use(database, "x", [])

        results = await asyncio.gather(*(come_and_go(n) for n in range(2000)), return_exceptions=True)

        unexpected = [r for r in results if r is not None and not isinstance(r, TimeoutError | DBAPIError)]
        assert unexpected == []
        state = database.pool_state()
        assert state.checked_out == 0
        assert state.idle <= 3
        await use(database, "still works", [])
        await database.close()


class TestWaits:
    def test_are_counted_by_their_length(self) -> None:
        waits = Waits()

        for seconds in (0.0, BOUNDS[0], 0.02, 100.0):
            waits.add(seconds)

        assert (waits.count, waits.longest) == (4, 100.0)
        assert waits.buckets == [2, 0, 0, 0, 1, 0, 0, 0, 0, 1]

    async def test_each_request_for_a_connection_is_one(self, one: Database) -> None:
        began = time.perf_counter()

        await asyncio.gather(*(use(one, "x", []) for _ in range(7)))

        assert one.waits.count == 7
        assert one.waits.longest <= time.perf_counter() - began


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
class TestReadOnly:
    """PostgreSQL only: SQLite has no transaction that the database itself keeps from writing."""

    async def test_the_server_refuses_plain_sql_that_writes_in_a_read_session(self, one: Database) -> None:
        async with one.reading() as session:
            with pytest.raises(DBAPIError, match="read-only transaction"):
                await session.execute(text("DELETE FROM users"))

    @pytest.mark.parametrize("pre_ping", [True, False])
    async def test_whoever_gets_the_connection_next_may_write(
        self, migrated: str, settings: object, pre_ping: bool
    ) -> None:
        settings.DB_POOL_PRE_PING = pre_ping  # type: ignore[attr-defined]
        database = create_database(migrated, pool_size=1, max_overflow=0)
        async with database.reading() as session:
            await session.execute(text("SELECT 1"))

        async with database.writing() as session:
            await session.execute(text("DELETE FROM users"))
            await session.commit()
        async with database.engine.begin() as connection:
            await connection.execute(text("DELETE FROM users"))

        await database.close()

    async def test_a_session_that_stopped_writing_only_reads(self, one: Database) -> None:
        async with one.writing() as session:
            await session.execute(text("SELECT 1"))
            await session.stop_writing()
            with pytest.raises(DBAPIError, match="read-only transaction"):
                await session.execute(text("DELETE FROM users"))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
class TestIdleConnections:
    """PostgreSQL only: a file does not go away."""

    @staticmethod
    async def kill_all_others(database: Database) -> None:
        async with database.engine.connect() as connection:
            await connection.execute(
                text("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            )

    @staticmethod
    async def open_three(database: Database) -> None:
        held = [await database.engine.connect() for _ in range(3)]
        for connection in held:
            await connection.close()

    async def test_are_tested_so_that_a_restart_of_the_server_is_not_noticed(
        self, migrated: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pool, "IDLE", 0.0)
        database, other = create_database(migrated, pool_size=3), create_database(migrated)
        await self.open_three(database)

        await self.kill_all_others(other)
        order: list[str] = []
        await asyncio.gather(*(use(database, "x", order) for _ in range(3)))

        assert order == ["x"] * 3
        await database.close()
        await other.close()

    async def test_are_not_tested_while_they_are_busy(self, migrated: str) -> None:
        database = create_database(migrated, pool_size=1, max_overflow=0)
        pings: list[object] = []
        dialect = database.engine.dialect
        ping = dialect.do_ping
        dialect.do_ping = lambda connection: pings.append(connection) or ping(connection)  # type: ignore[method-assign, func-returns-value]

        for _ in range(5):
            await use(database, "x", [])

        assert pings == []
        await database.close()
