"""What is reported as counted was counted where the driver is called, and only for the code that asked for it.

A probe follows the context (`contextvars`): tasks started inside it are counted too, other requests never.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import msgspec
from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session as SyncSession

from qulab.db.lines import Line, calling_line
from qulab.db.session import UnitOfWork

CONTROL = frozenset({"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET"})
MOST_RECORDED = 2_000  # statements kept with their text; all are counted


class Statement(msgspec.Struct, frozen=True):
    """One call of the driver. Times in milliseconds; `start` counts from the opening of the probe."""

    sql: str
    start: float
    milliseconds: float
    failed: bool = False
    line: Line | None = None  # that sent it; None also in runs that were saved before lines were recorded

    @property
    def controls(self) -> bool:
        """Whether it only opens or ends a transaction: listed and timed, not counted as a statement."""
        return self.sql.split(None, 1)[0].upper() in CONTROL


class Group(msgspec.Struct, frozen=True):
    """Statements of one text: how often it was sent, what that cost in all (milliseconds), and by which lines."""

    sql: str
    count: int
    milliseconds: float
    lines: list[Line] = []


class Probe:
    """Collects what the sessions inside `probe()` send to one database."""

    def __init__(self, engine: Engine, outer: "Probe | None" = None) -> None:
        self.began = time.perf_counter()
        self.count = 0
        self.statements: list[Statement] = []
        self._engine = engine
        self._outer = outer

    @property
    def commit_ms(self) -> float:
        """Time of all commits together."""
        return sum(one.milliseconds for one in self.statements if one.sql == "COMMIT")

    def watches(self, engine: Engine) -> bool:
        """Whether it is the same database: engines with other options share the pool."""
        return engine.pool is self._engine.pool

    def and_around(self) -> "Iterator[Probe]":
        """This probe, and those that were open when it was opened: what is sent inside was sent inside them too."""
        yield self
        if self._outer is not None:
            yield from self._outer.and_around()

    def record(self, sql: str, began: float, ended: float, line: Line | None, *, failed: bool) -> None:
        statement = Statement(sql, 1000 * (began - self.began), 1000 * (ended - began), failed, line)
        self.count += not statement.controls
        if len(self.statements) < MOST_RECORDED:
            self.statements.append(statement)

    def groups(self) -> list[Group]:
        """The counted statements by text, the most frequent first."""
        texts: dict[str, list[Statement]] = {}
        for one in self.statements:
            if not one.controls:
                texts.setdefault(one.sql, []).append(one)
        return sorted((_group(sql, sent) for sql, sent in texts.items()), key=lambda group: -group.count)


def _group(sql: str, sent: list[Statement]) -> Group:
    lines = dict.fromkeys(one.line for one in sent if one.line is not None)
    return Group(sql, len(sent), sum(one.milliseconds for one in sent), list(lines))


_active: ContextVar[Probe | None] = ContextVar("probe", default=None)
_commit_began: ContextVar[tuple[Engine, float] | None] = ContextVar("commit_began", default=None)
_watched: "WeakSet[Engine]" = WeakSet()


@contextmanager
def probe(engine: AsyncEngine) -> Iterator[Probe]:
    """Count, time and list the statements that this context, and tasks started in it, send through `engine`."""
    _watch(engine.sync_engine)
    opened = Probe(engine.sync_engine, _active.get())
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


def _record(engine: Engine, sql: str, began: float, *, failed: bool = False) -> None:
    ended, innermost = time.perf_counter(), _active.get()
    if innermost is None:
        return
    if opened := [one for one in innermost.and_around() if one.watches(engine)]:
        line = calling_line()
        for one in opened:
            one.record(sql, began, ended, line, failed=failed)


def _before(_c: Connection, _cursor: Any, _sql: str, _parameters: Any, context: Any, _many: bool) -> None:
    if _active.get() is not None and context is not None:
        context.probe_began = time.perf_counter()


def _after(connection: Connection, _cursor: Any, sql: str, _parameters: Any, context: Any, _many: bool) -> None:
    if hasattr(context, "probe_began"):
        _record(connection.engine, sql, context.probe_began)


def _failed(error: ExceptionContext) -> None:
    began = getattr(error.execution_context, "probe_began", None)
    if began is not None and error.engine is not None:
        _record(error.engine, error.statement or "", began, failed=True)


def _commit(connection: Connection) -> None:
    if _active.get() is not None:
        _commit_began.set((connection.engine, time.perf_counter()))


@event.listens_for(UnitOfWork, "after_commit")
def _committed(_session: SyncSession) -> None:
    # The engine tells when a COMMIT is about to be sent, the session when it has been answered.
    if (sent := _commit_began.get()) is not None:
        _commit_began.set(None)
        _record(sent[0], "COMMIT", sent[1])
