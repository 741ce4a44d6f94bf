"""What waits for publication, as a pass reads and writes it: pending rows only, through partial indexes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, func, literal, literal_column, or_, select, update
from sqlalchemy.orm import aliased

from outbox.models import DEAD, PENDING, DomainEvent, Status
from qulab.db.session import Session

ZERO: ColumnElement[int] = literal_column("0")


class RelayRepository:
    """What a pass reads and writes of `domain_events`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._each = func.json_each_text if session.get_bind().dialect.name == "postgresql" else func.json_each

    async def due(self, partition: int, *, now: datetime, limit: int) -> Sequence[Any]:
        """Due pending rows in order, without those whose aggregate waits for an earlier event."""
        blocker = aliased(DomainEvent)
        blocked = select(literal(1)).where(
            blocker.aggregate_type == DomainEvent.aggregate_type,
            blocker.aggregate_id == DomainEvent.aggregate_id,
            blocker.seq < DomainEvent.seq,
            blocker.status.in_([PENDING, DEAD]),
            blocker.attempts > ZERO,
            or_(blocker.status == DEAD, blocker.next_attempt_at > now),
        )
        statement = (
            select(*_DUE)
            .where(
                DomainEvent.partition == partition,
                DomainEvent.status == PENDING,
                or_(DomainEvent.next_attempt_at.is_(None), DomainEvent.next_attempt_at <= now),
                ~blocked.exists(),
            )
            .order_by(DomainEvent.seq)
            .limit(limit)
        )
        return (await self.session.execute(statement)).all()

    async def settle(self, entries: dict[str, str], *, batch: int, now: datetime) -> int:
        """Mark the events of a map as published in `batch`; returns how many there were."""
        each = self._each(literal(entries, JSON)).table_valued("key", "value", name="entry")
        result = await self.session.execute(
            update(DomainEvent)
            .where(DomainEvent.id == each.c.key)
            .values(
                status=Status.PUBLISHED,
                published_at=now,
                stream_id=each.c.value,
                batch=batch,
                next_attempt_at=None,
            )
            .execution_options(synchronize_session=False)
        )
        return int(result.rowcount)  # type: ignore[attr-defined]

    async def reopen(self, partition: int, *, since: int, kept: dict[str, str]) -> int:
        """Make pending again what was published in batches from `since` on, but not what Redis kept of that one.

        Returns how many. `kept` maps event id to entry id; an event in it that was replayed has another batch by now.
        """
        each = self._each(literal(kept, JSON)).table_valued("key", "value", name="entry")
        result = await self.session.execute(
            update(DomainEvent)
            .where(
                DomainEvent.partition == partition,
                DomainEvent.batch >= since,
                DomainEvent.status == Status.PUBLISHED,
                or_(DomainEvent.batch > since, DomainEvent.id.not_in(select(each.c.key))),
            )
            .values(status=Status.PENDING, published_at=None, stream_id=None, batch=None)
            .execution_options(synchronize_session=False)
        )
        return int(result.rowcount)  # type: ignore[attr-defined]

    async def fail(self, event_id: str, *, attempts: int, error: str, dead: bool, retry_at: datetime) -> None:
        """Note a failed attempt, unless another relay noted one since the row was read."""
        await self.session.execute(
            update(DomainEvent)
            .where(DomainEvent.id == event_id, DomainEvent.attempts == attempts, DomainEvent.status == PENDING)
            .values(
                attempts=attempts + 1,
                status=Status.DEAD if dead else Status.PENDING,
                next_attempt_at=None if dead else retry_at,
                last_error=error,
            )
            .execution_options(synchronize_session=False)
        )


_DUE = (
    DomainEvent.id,
    DomainEvent.event_type,
    DomainEvent.aggregate_type,
    DomainEvent.aggregate_id,
    DomainEvent.created_at,
    DomainEvent.schema_version,
    DomainEvent.headers,
    DomainEvent.payload,
    DomainEvent.attempts,
)
