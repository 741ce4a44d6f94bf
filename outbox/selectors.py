"""What pages and commands may know of the outbox, as frozen values."""

from datetime import datetime
from typing import Any, Self

import msgspec
from sqlalchemy import func, select

from outbox.models import PENDING, DomainEvent, OutboxPartition, Status
from outbox.repositories import DomainEventRepository, InboxRepository
from qulab.db.base import utcnow
from qulab.db.session import Session

MOST_COUNTED = 10_000  # a count that is shown stops here: counting a large table costs more than the page


class EventSnapshot(msgspec.Struct, frozen=True):
    id: str
    event_type: str
    aggregate_type: str
    aggregate_id: str
    payload: dict[str, Any]
    status: str
    created_at: datetime
    published_at: datetime | None
    seq: int
    partition: int
    batch: int | None
    stream_id: str | None
    attempts: int
    last_error: str | None

    @classmethod
    def of(cls, event: DomainEvent) -> Self:
        return cls(**{name: getattr(event, name) for name in cls.__struct_fields__})


class InboxSnapshot(msgspec.Struct, frozen=True):
    consumer_group: str
    event_id: str
    event_type: str
    processed_at: datetime


class OutboxState(msgspec.Struct, frozen=True):
    """Counts stop at MOST_COUNTED. `lag_seconds`: age of the oldest pending event; None when nothing is pending."""

    pending: int
    published: int
    dead: int
    lag_seconds: float | None
    paused: bool


async def events_by_status(session: Session, status: str, limit: int = 20) -> list[EventSnapshot]:
    """Pending events the next first; others the latest first."""
    order: list[Any] = [DomainEvent.seq] if status == Status.PENDING else [DomainEvent.seq.desc()]
    if status == Status.PUBLISHED:
        order = [DomainEvent.published_at.desc(), DomainEvent.seq.desc()]
    events = await DomainEventRepository(session).list(DomainEvent.status == status, order_by=order, limit=limit)
    return [EventSnapshot.of(event) for event in events]


async def event(session: Session, event_id: str) -> EventSnapshot:
    """Raises NotFound."""
    return EventSnapshot.of(await DomainEventRepository(session).one(event_id))


async def outbox_state(session: Session) -> OutboxState:
    """The state in one statement."""
    oldest = select(func.min(DomainEvent.created_at)).where(DomainEvent.status == PENDING)
    paused = select(func.count()).select_from(OutboxPartition).where(OutboxPartition.paused.is_(True))
    statement = select(
        _count(Status.PENDING),
        _count(Status.PUBLISHED),
        _count(Status.DEAD),
        oldest.scalar_subquery(),
        paused.scalar_subquery(),
    )
    pending, published, dead, created_at, paused_count = (await session.execute(statement)).one()
    lag = (utcnow() - created_at).total_seconds() if created_at else None
    return OutboxState(pending, published, dead, max(lag, 0.0) if lag is not None else None, bool(paused_count))


async def inbox_entries(session: Session, limit: int = 20) -> list[InboxSnapshot]:
    entries = await InboxRepository(session).latest(limit)
    return [InboxSnapshot(e.consumer_group, e.event_id, e.event_type, e.processed_at) for e in entries]


def _count(status: Status) -> Any:
    some = select(DomainEvent.id).where(DomainEvent.status == status).limit(MOST_COUNTED).subquery()
    return select(func.count()).select_from(some).scalar_subquery()
