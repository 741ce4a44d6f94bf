"""Nothing is stored unless `commit()` was called by name, and what follows a commit runs after the root commit only."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from typing import Any, NoReturn

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, SessionTransaction
from sqlalchemy.orm import Session as SyncSession

from qulab.db.errors import ReadOnlySession

logger = logging.getLogger(__name__)

Hook = Callable[[], Awaitable[object]]

# Inside a commit, which is a task of its own: the task that waits for it. It knows the line that called for it.
committing_task: ContextVar["asyncio.Task[Any] | None"] = ContextVar("committing_task", default=None)


class UnitOfWork(SyncSession):
    """The synchronous session below `Session`; a class of its own, so that its events touch no other session."""


class Session(AsyncSession):
    """The unit of work: `AsyncSession` with a reading mode and hooks that wait for the root commit."""

    sync_session_class = UnitOfWork

    def on_commit(self, hook: Hook) -> None:
        """Run `hook` once after the root commit. A rollback drops it, also that of the savepoint it came in."""
        entry = (self.sync_session.get_nested_transaction(), hook)
        if entry not in _hooks(self.sync_session):
            _hooks(self.sync_session).append(entry)

    def begin(self) -> NoReturn:
        """Refused: its block would commit at its end, and what waits for `commit()` would never run."""
        raise RuntimeError("use commit() by name: session.begin() would commit without the hooks of on_commit()")

    @property
    def commit_was_sent(self) -> bool:
        """Whether a COMMIT was sent since this was last set to False: from there on only the database knows its end."""
        return bool(self.sync_session.info.get("commit_was_sent"))

    @commit_was_sent.setter
    def commit_was_sent(self, value: bool) -> None:
        self.sync_session.info["commit_was_sent"] = value

    async def stop_writing(self) -> None:
        """Roll back, and only read from here on: who shows why a change was refused must not hold the write lock."""
        await self.rollback()
        self.sync_session.info["reading"] = True
        self.sync_session.bind = self.sync_session.info["reads"]

    async def rollback(self) -> None:
        _hooks(self.sync_session).clear()  # also of hooks that came before the transaction
        await super().rollback()

    async def commit(self) -> None:
        """Commit, then run the hooks. A cancellation that arrives meanwhile is raised when both are finished."""
        context = copy_context()
        context.run(committing_task.set, asyncio.current_task())
        await _finish(asyncio.get_running_loop().create_task(self._commit_and_run_hooks(), context=context))

    async def _commit_and_run_hooks(self) -> None:
        await super().commit()
        hooks = [hook for _, hook in _hooks(self.sync_session)]
        _hooks(self.sync_session).clear()
        for hook in hooks:
            await _run(hook)


async def _finish(task: "asyncio.Future[None]") -> None:
    """Wait for `task` to its end even when the waiter is cancelled: a half-sent COMMIT helps nobody."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
        except Exception:  # the task's own failure: raised by result() below
            break
    if cancelled is not None:
        if not task.cancelled() and task.exception() is not None:
            logger.error("the commit of a cancelled task failed", exc_info=task.exception())
        raise cancelled
    task.result()


async def _run(hook: Hook) -> None:
    try:
        await hook()
    except Exception:  # one hook's failure harms no other, and the commit stands
        logger.exception("a hook after a commit failed: %r", hook)


def _hooks(session: SyncSession) -> list[tuple[SessionTransaction | None, Hook]]:
    hooks: list[tuple[SessionTransaction | None, Hook]] = session.info.setdefault("on_commit", [])
    return hooks


@event.listens_for(UnitOfWork, "after_soft_rollback")
def _forget_hooks(session: SyncSession, previous: SessionTransaction) -> None:
    """A rolled-back savepoint takes its hooks along, and a rolled-back root takes all."""
    undone = previous
    while not undone.nested and undone.parent is not None:  # a failed flush undoes the savepoint or root around it
        undone = undone.parent
    hooks = _hooks(session)
    hooks[:] = [entry for entry in hooks if undone.nested and not _within(entry[0], undone)]


def _within(transaction: SessionTransaction | None, outer: SessionTransaction) -> bool:
    while transaction is not None:
        if transaction is outer:
            return True
        transaction = transaction.parent
    return False


@event.listens_for(UnitOfWork, "before_commit")
def _note_commit(session: SyncSession) -> None:
    # Flushed by hand, so that what fails from here on is the COMMIT and nothing before it.
    if session.in_nested_transaction():
        return
    if not session.info.get("reading"):
        session.flush()
    session.info["commit_was_sent"] = True


@event.listens_for(UnitOfWork, "after_begin")
def _begin_read_only(session: SyncSession, _transaction: SessionTransaction, connection: Connection) -> None:
    """On PostgreSQL the server refuses writes of a read session, also in plain SQL; the pool takes the mark off again.

    Set where the driver begins its transaction, with the first statement. The engine's own option for this costs every
    request a listener and a reset.
    """
    if session.info.get("reading") and connection.dialect.name == "postgresql":
        driver: Any = connection.connection.dbapi_connection
        driver.readonly = True


@event.listens_for(UnitOfWork, "do_orm_execute")
def _refuse_statements_that_write(state: ORMExecuteState) -> None:
    if state.session.info.get("reading") and (state.is_insert or state.is_update or state.is_delete):
        raise ReadOnlySession


@event.listens_for(UnitOfWork, "before_flush")
def _refuse_writes_when_reading(session: SyncSession, context: Any, instances: Any) -> None:
    if session.info.get("reading") and (session.new or session.dirty or session.deleted):
        raise ReadOnlySession
