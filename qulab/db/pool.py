"""Who asked first for a connection gets one first: a connection that comes back goes to the longest waiter.

SQLAlchemy's own async pool puts it into a queue, and whoever runs next may take it, past those who were woken for it.
With 200 tasks on 10 connections the unlucky ones wait four times as long as the median.
"""

import asyncio
import time
from bisect import bisect_left
from collections import deque
from typing import Any

import msgspec
from sqlalchemy import Engine, event, exc
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util import await_only

IDLE = 1.0  # seconds after which a connection is tested before it is lent
BOUNDS = (0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)  # seconds: upper ends of the buckets of a wait


class Waits(msgspec.Struct):
    """How long requests waited for a connection, in seconds. `buckets` counts by BOUNDS, the last one beyond them."""

    count: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    timeouts: int = 0
    buckets: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))

    def add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds
        self.longest = max(self.longest, seconds)
        self.buckets[bisect_left(BOUNDS, seconds)] += 1


class FairPool(AsyncAdaptedQueuePool):
    """An AsyncAdaptedQueuePool that serves in turn. Of SQLAlchemy it relies on what tests/db/test_pool.py pins."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waits = Waits()
        # A waiter gets a connection, or None for the right to open one.
        self._waiting: deque[asyncio.Future[ConnectionPoolEntry | None]] = deque()

    def _do_get(self) -> ConnectionPoolEntry:
        began = time.perf_counter()
        record = self._in_turn() if self._is_exhausted() else super()._do_get()
        self.waits.add(time.perf_counter() - began)
        return record

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        connection: Any = record.dbapi_connection
        if getattr(connection, "readonly", False):
            connection.readonly = False  # it was lent to a read session
        if not self._give(record):
            super()._do_return_conn(record)

    def _dec_overflow(self) -> bool:  # type: ignore[override]
        # A connection is gone, so that another may be opened: by the longest waiter.
        return self._give(None) or super()._dec_overflow()

    def _is_exhausted(self) -> bool:
        return self._pool.empty() and 0 <= self._max_overflow <= self._overflow

    def _give(self, what: ConnectionPoolEntry | None) -> bool:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(what)
                return True
        return False

    def _in_turn(self) -> ConnectionPoolEntry:
        record = await_only(self._wait())
        if record is not None:
            return record
        try:
            return self._create_connection()
        except BaseException:
            self._dec_overflow()
            raise

    async def _wait(self) -> ConnectionPoolEntry | None:
        waiter: asyncio.Future[ConnectionPoolEntry | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(self._timeout):
                return await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():  # it was given something that it will not use
                self._pass_on(waiter.result())
            if not isinstance(error, TimeoutError):
                raise
            self.waits.timeouts += 1
            raise exc.TimeoutError(
                f"no connection became free within {self._timeout:g} s: {self.size()} are kept open, "
                f"{self._max_overflow} more may be opened, and all are in use",
                code="3o7r",
            ) from None

    def _pass_on(self, what: ConnectionPoolEntry | None) -> None:
        if what is None:
            self._dec_overflow()
        else:
            self._do_return_conn(what)


def ask_idle_connections(engine: Engine) -> None:
    """Ask a connection that lay idle whether it still lives; all older ones go with one that does not.

    SQLAlchemy's own `pool_pre_ping` asks at each use, which costs a busy service a round trip for every request.
    """
    dialect = engine.dialect

    @event.listens_for(engine, "checkin")
    def note(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["returned_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def test(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("returned_at", time.monotonic()) < IDLE:  # one just opened never was
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise exc.InvalidatePoolError from error
