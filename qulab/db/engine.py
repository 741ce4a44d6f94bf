"""One `Database` for each event loop; a read session never holds the write lock, a write session has it from BEGIN."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import msgspec
from django.conf import settings
from sqlalchemy import URL, Connection, ExceptionContext, event, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.util import await_only

from qulab.db.loop import PerLoop
from qulab.db.pool import FairPool, Waits, ask_idle_connections
from qulab.db.session import Session
from qulab.logs import cleared

logger = logging.getLogger(__name__)

SQLITE_BUSY_MILLISECONDS = 50  # that SQLite itself waits for a lock
WRITES = "qulab_writes"  # execution option of the connections that write sessions use


class PoolState(msgspec.Struct, frozen=True):
    """Connections of one pool at one moment. `overflow` counts those open beyond `size`."""

    size: int
    max_overflow: int
    checked_out: int
    idle: int
    overflow: int


class Database:
    """An engine and its two session factories. Belongs to the loop that uses it first; close it in that loop."""

    def __init__(self, url: URL, **pool: Any) -> None:
        self.url = url
        self.dialect = url.get_backend_name()
        self.max_overflow = int(pool["max_overflow"])
        self.engine: AsyncEngine = create_async_engine(
            url, poolclass=FairPool, hide_parameters=True, **pool, **_dialect_options(self.dialect)
        )
        event.listen(self.engine.sync_engine, "handle_error", _hide_row)
        if self.dialect == "sqlite":
            event.listen(self.engine.sync_engine, "connect", _set_pragmas)
            event.listen(self.engine.sync_engine, "begin", _begin)
        elif settings.DB_POOL_PRE_PING:  # a file is always there
            ask_idle_connections(self.engine.sync_engine)
        self._reading = _sessions(self.engine, self.engine, reading=True)
        self._writing = _sessions(self.engine.execution_options(**{WRITES: True}), self.engine, reading=False)

    def reading(self) -> Session:
        """A session that only reads. It is the seam for a replica."""
        return self._reading()

    def writing(self) -> Session:
        """A session that may write. On SQLite its transaction takes the write lock at BEGIN, not half-way through."""
        return self._writing()

    @property
    def pool(self) -> FairPool:
        assert isinstance(self.engine.pool, FairPool)
        return self.engine.pool

    @property
    def waits(self) -> Waits:
        """How long requests waited for a connection since this Database was opened."""
        return self.pool.waits

    def pool_state(self) -> PoolState:
        pool = self.pool
        return PoolState(
            size=pool.size(),
            max_overflow=self.max_overflow,
            checked_out=pool.checkedout(),
            idle=pool.checkedin(),
            # SQLAlchemy counts from -size: below zero the pool has not yet opened all of its connections.
            overflow=max(pool.overflow(), 0),
        )

    async def close(self) -> None:
        await self.engine.dispose()


def create_database(
    url: str | None = None,
    *,
    pool_size: int | None = None,
    max_overflow: int | None = None,
    pool_timeout: float | None = None,
) -> Database:
    """A Database from the settings, with what is given put in their place. Connects on first use."""
    return Database(
        make_url(url or settings.DATABASE_URL),
        pool_size=settings.DB_POOL_SIZE if pool_size is None else pool_size,
        max_overflow=settings.DB_MAX_OVERFLOW if max_overflow is None else max_overflow,
        pool_timeout=settings.DB_POOL_TIMEOUT if pool_timeout is None else pool_timeout,
        pool_recycle=settings.DB_POOL_RECYCLE,
    )


databases: PerLoop[Database] = PerLoop(create_database, Database.close)


def get_database() -> Database:
    """The Database of the running loop, opened on first use."""
    return databases.get()


@asynccontextmanager
async def open_database(
    url: str | None = None,
    *,
    pool_size: int | None = None,
    max_overflow: int | None = None,
    pool_timeout: float | None = None,
) -> AsyncIterator[Database]:
    """Open a Database and close it at the end. Without `url` it is also what `get_database()` returns meanwhile."""
    database = create_database(url, pool_size=pool_size, max_overflow=max_overflow, pool_timeout=pool_timeout)
    before = databases.lend(database) if url is None else None
    try:
        yield database
    finally:
        if url is None:
            databases.lend(before)
        await database.close()


def _sessions(engine: AsyncEngine, reads: AsyncEngine, *, reading: bool) -> async_sessionmaker[Session]:
    return async_sessionmaker(
        engine,
        class_=Session,
        expire_on_commit=False,
        autoflush=False,
        # A closed session that is used again must fail: a stream that outlives its request would leak a connection.
        close_resets_only=False,
        info={"reading": reading, "reads": reads.sync_engine},
    )


def _dialect_options(dialect: str) -> dict[str, Any]:
    if dialect == "sqlite":
        # isolation_level None: the driver begins nothing of its own, so that `_begin` decides.
        return {
            "connect_args": {
                "isolation_level": None,
                "timeout": settings.DB_BUSY_TIMEOUT,
                "async_creator_fn": _connect_sqlite,
            }
        }
    milliseconds = str(int(settings.DB_STATEMENT_TIMEOUT * 1000))
    server_settings = {"application_name": "qulab", "statement_timeout": milliseconds, "timezone": "UTC"}
    return {"connect_args": {"server_settings": server_settings, "timeout": 10}}


async def _connect_sqlite(database: str, **options: Any) -> aiosqlite.Connection:
    """What SQLAlchemy does, but where the file cannot be opened the connection's thread has ended when that is told.

    It reports its end to the loop, and would find it closed: a traceback after the message, or in its place.
    """
    connection = aiosqlite.connect(database, **options)
    thread = connection._thread
    thread.daemon = True
    try:
        return await connection
    except aiosqlite.Error:
        await asyncio.to_thread(thread.join)
        raise


def _hide_row(context: ExceptionContext) -> None:
    """What the database says of the row stays out of every message: "Key (email)=(…) already exists."."""
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None:
            error.args = tuple(cleared(one) if isinstance(one, str) else one for one in error.args)
    driver = context.original_exception.__cause__
    if getattr(driver, "detail", None):
        driver.detail = None  # type: ignore[union-attr]


def _set_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_MILLISECONDS}")
    cursor.close()


def _begin(connection: Connection) -> None:
    if not connection.get_execution_options().get(WRITES):
        # Past SQLAlchemy's cursor: one turn of the connection's thread instead of three, for each read session.
        driver: Any = connection.connection.driver_connection
        await_only(driver.execute("BEGIN"))
        return
    deadline = time.monotonic() + settings.DB_BUSY_TIMEOUT
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        except OperationalError as error:
            if "locked" not in str(error.orig) or time.monotonic() > deadline:
                raise
        # Wait here and not in SQLite: there the waiter holds its connection's mutex, and whoever finalizes one of its
        # cursors meanwhile, such as the garbage collector in the event loop's thread, would wait along.
        await_only(asyncio.sleep(random.uniform(0.001, 0.005)))  # noqa: S311 - so that waiters do not march in step


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite URL, None for another database."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
