"""What a page reports as counted was counted where the driver is called, and only for the code that asked for it.

A probe follows the context (`contextvars`): tasks started inside it are counted too, other requests never. Commands of
Redis are counted where a client writes them to its sockets; what a Lua script does inside Redis is no command.
"""

import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import msgspec
from redis.asyncio import Redis
from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session as SyncSession

from qulab.db.session import UnitOfWork

CONTROL = frozenset({"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET"})
MOST_RECORDED = 2_000  # statements kept with their text; all are counted


class Statement(msgspec.Struct, frozen=True):
    """One call of the driver. Times in milliseconds; `start` counts from the opening of the probe."""

    sql: str
    start: float
    milliseconds: float
    failed: bool = False

    @property
    def controls(self) -> bool:
        """Whether it only opens or ends a transaction: listed and timed, not counted as a statement."""
        return self.sql.split(None, 1)[0].upper() in CONTROL


class Group(msgspec.Struct, frozen=True):
    """Statements of one text: how often it was sent, and what that cost in all (milliseconds)."""

    sql: str
    count: int
    milliseconds: float


class Spread(msgspec.Struct, frozen=True):
    """A median with its range."""

    median: float
    low: float
    high: float
    n: int


class Probe:
    """Collects what the sessions inside `probe()` send to the database."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.count = 0
        self.statements: list[Statement] = []

    @property
    def commit_ms(self) -> float:
        """Time of all commits together."""
        return sum(one.milliseconds for one in self.statements if one.sql == "COMMIT")

    def record(self, sql: str, began: float, *, failed: bool = False) -> None:
        now = time.perf_counter()
        statement = Statement(sql, 1000 * (began - self.began), 1000 * (now - began), failed)
        self.count += not statement.controls
        if len(self.statements) < MOST_RECORDED:
            self.statements.append(statement)

    def groups(self) -> list[Group]:
        """The counted statements by text, the most frequent first."""
        texts: dict[str, list[float]] = {}
        for one in self.statements:
            if not one.controls:
                texts.setdefault(one.sql, []).append(one.milliseconds)
        found = [Group(sql, len(times), sum(times)) for sql, times in texts.items()]
        return sorted(found, key=lambda group: -group.count)


_active: ContextVar[Probe | None] = ContextVar("probe", default=None)
_commit_began: ContextVar[float | None] = ContextVar("commit_began", default=None)
_watched: "WeakSet[Engine]" = WeakSet()


@contextmanager
def probe(engine: AsyncEngine) -> Iterator[Probe]:
    """Count, time and list the statements that this context, and tasks started in it, send through `engine`."""
    _watch(engine.sync_engine)
    opened = Probe()
    token = _active.set(opened)
    try:
        yield opened
    finally:
        _active.reset(token)


def _watch(engine: Engine) -> None:
    # Once and for good: a listener that comes and goes would change the event list under a running statement.
    if engine not in _watched:
        _watched.add(engine)
        event.listen(engine, "before_cursor_execute", _before)
        event.listen(engine, "after_cursor_execute", _after)
        event.listen(engine, "handle_error", _failed)
        event.listen(engine, "commit", _commit)


def _before(_c: Connection, _cursor: Any, _sql: str, _parameters: Any, context: Any, _many: bool) -> None:
    if _active.get() is not None and context is not None:
        context.lab_began = time.perf_counter()


def _after(_c: Connection, _cursor: Any, sql: str, _parameters: Any, context: Any, _many: bool) -> None:
    opened = _active.get()
    if opened is not None and hasattr(context, "lab_began"):
        opened.record(sql, context.lab_began)


def _failed(error: ExceptionContext) -> None:
    opened = _active.get()
    began = getattr(error.execution_context, "lab_began", None)
    if opened is not None and began is not None:
        opened.record(error.statement or "", began, failed=True)


def _commit(_connection: Connection) -> None:
    if _active.get() is not None:
        _commit_began.set(time.perf_counter())


@event.listens_for(UnitOfWork, "after_commit")
def _committed(_session: SyncSession) -> None:
    # The engine tells when a COMMIT is about to be sent, the session when it has been answered.
    opened, began = _active.get(), _commit_began.get()
    if opened is not None and began is not None:
        opened.record("COMMIT", began)
        _commit_began.set(None)


def count_commands(client: Redis) -> Counter[str]:
    """Count what `client` sends from now on, by command. Connections that it has open already are not counted."""
    sent: Counter[str] = Counter()
    pool = client.connection_pool
    connection: Any = pool.connection_class

    class Counting(connection):  # type: ignore[misc]
        async def send_command(self, *args: Any, **options: Any) -> None:
            sent[str(args[0])] += 1
            await super().send_command(*args, **options)

        def pack_commands(self, commands: Any) -> Any:  # of a pipeline
            commands = list(commands)
            sent.update(str(command[0]) for command in commands)
            return super().pack_commands(commands)

    pool.connection_class = Counting
    return sent


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values), len(values))


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile (0–1), interpolated between readings."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return statistics.quantiles(values, n=1000, method="inclusive")[min(max(round(q * 1000) - 1, 0), 998)]
