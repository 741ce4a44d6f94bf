"""A check that cannot fail proves nothing: each protection of the relay can be taken out, in its process only.

Where the code that is patched is no longer there the process ends with an AssertionError, which the run reports.
"""

import inspect
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, or_, select

from outbox import backlog, marks
from outbox.backlog import Lost, RelayRepository
from outbox.models import PENDING, DomainEvent
from outbox.positions import PartitionRepository
from outbox.relay import Relay

COMPARISON = "if mark ~= ARGV[1] then"


def forget_the_mark() -> None:
    """Redis takes every batch that it is offered."""
    assert COMPARISON in marks.PUBLISH
    marks.PUBLISH = marks.PUBLISH.replace(COMPARISON, "if false then")


def forget_the_row_lock() -> None:
    """A relay takes a partition that another one is publishing."""
    assert ".with_for_update(skip_locked=True)" in inspect.getsource(PartitionRepository.take)

    def unlocked(self: Select[Any], **_: Any) -> Select[Any]:
        return self

    Select.with_for_update = unlocked  # type: ignore[assignment, method-assign]


def forget_what_was_lost() -> None:
    """A recovery goes to the mark of Redis, and leaves the events that Redis lost as they are."""
    assert "reopen(" in inspect.getsource(Relay._apply)

    async def reopen(self: RelayRepository, lost: Lost) -> int:
        return 0

    RelayRepository.reopen = reopen  # type: ignore[method-assign]


def forget_to_look() -> None:
    """Redis' marks are compared only when something is published."""
    assert "self._losses(" in inspect.getsource(Relay._drain)

    async def _losses(self: Relay, positions: Any) -> tuple[set[int], bool]:
        return set(), False

    Relay._losses = _losses  # type: ignore[method-assign]


def forget_what_blocks() -> None:
    """A pass also takes events that follow a dead one, or one that waits for its next attempt."""
    assert "blocker" in inspect.getsource(backlog)

    async def all_due(self: RelayRepository, partition: int, *, now: datetime, limit: int) -> Sequence[Any]:
        is_due = or_(DomainEvent.next_attempt_at.is_(None), DomainEvent.next_attempt_at <= now)
        pending = select(*backlog._DUE).where(DomainEvent.partition == partition, DomainEvent.status == PENDING, is_due)
        return (await self.session.execute(pending.order_by(DomainEvent.seq).limit(limit))).all()

    RelayRepository.due = all_due  # type: ignore[method-assign]


MUTATIONS: dict[str, Callable[[], None]] = {
    "without-mark": forget_the_mark,
    "without-row-lock": forget_the_row_lock,
    "without-reopening": forget_what_was_lost,
    "without-looking": forget_to_look,
    "without-blocking": forget_what_blocks,
}
