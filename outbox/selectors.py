"""What pages and commands may know of the outbox, as frozen values."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

import msgspec
from sqlalchemy import Integer, Select, cast, func, select, union_all

from outbox.models import PENDING, DomainEvent, InboxEntry, OutboxPartition, Status
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
    order: list[Any] = [DomainEvent.seq]
    if status != Status.PENDING:
        order = [DomainEvent.created_at.desc(), DomainEvent.seq.desc()]  # as the index has them
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


async def latest_events(session: Session, limit: int = 20) -> list[EventSnapshot]:
    """Pending and published events, the latest first: as many steps in an index as are returned."""
    by_status = [
        select(DomainEvent.id)
        .where(DomainEvent.status == status)
        .order_by(DomainEvent.created_at.desc(), DomainEvent.seq.desc())
        .limit(limit)
        .subquery()
        for status in (Status.PENDING, Status.PUBLISHED)
    ]
    ids = union_all(*(select(one.c.id) for one in by_status))
    order = [DomainEvent.created_at.desc(), DomainEvent.seq.desc()]
    events = await DomainEventRepository(session).list(DomainEvent.id.in_(ids), order_by=order, limit=limit)
    return [EventSnapshot.of(event) for event in events]


async def events_of(session: Session, aggregates: Sequence[str], limit: int = 20) -> list[EventSnapshot]:
    """Of these aggregates alone: the latest pending and published events, and the pending ones that come next."""
    # Found by their aggregates first: by the index of their status, all that is between them would be read.
    theirs = (
        select(DomainEvent.id, DomainEvent.status, DomainEvent.created_at, DomainEvent.seq)
        .where(DomainEvent.aggregate_id.in_(aggregates))
        .cte("theirs")
        .prefix_with("MATERIALIZED")
    )
    latest = [theirs.c.created_at.desc(), theirs.c.seq.desc()]
    chosen = [
        select(theirs.c.id).where(theirs.c.status == status).order_by(*order).limit(limit).subquery()
        for status, order in (
            (Status.PENDING, latest),
            (Status.PUBLISHED, latest),
            (Status.PENDING, [theirs.c.seq]),
        )
    ]
    ids = union_all(*(select(one.c.id) for one in chosen))
    order = [DomainEvent.created_at.desc(), DomainEvent.seq.desc()]
    events = await DomainEventRepository(session).list(DomainEvent.id.in_(ids), order_by=order, limit=3 * limit)
    return [EventSnapshot.of(event) for event in events]


class Pulse(msgspec.Struct, frozen=True):
    """How the outbox stands, read often: `depth` is counted up to MOST_COUNTED; `lag_seconds` as in OutboxState.

    Two pulses with the same `beat` have the same rows behind them, but for what an operator changes by hand.
    """

    depth: int
    lag_seconds: float | None
    beat: tuple[Any, ...]


async def pulse(session: Session) -> Pulse:
    """One statement, each part of it a few steps in an index."""
    created = DomainEvent.created_at
    ends = [
        select(func.max(created)).where(DomainEvent.status == status) for status in (Status.PENDING, Status.PUBLISHED)
    ]
    moved = [
        OutboxPartition.generation + OutboxPartition.batch,
        OutboxPartition.failed,
        cast(OutboxPartition.paused, Integer),
    ]
    parts: list[Select[Any]] = [
        select(func.min(created)).where(DomainEvent.status == PENDING),
        *ends,
        select(func.max(InboxEntry.processed_at)),
        *(select(func.sum(one)) for one in moved),
    ]
    row = (await session.execute(select(_count(Status.PENDING), *(part.scalar_subquery() for part in parts)))).one()
    lag = (utcnow() - row[1]).total_seconds() if row[1] else None
    return Pulse(row[0], max(lag, 0.0) if lag is not None else None, tuple(row))


async def inbox_entries(session: Session, limit: int = 20) -> list[InboxSnapshot]:
    return _handled(await InboxRepository(session).latest(limit))


async def handled(session: Session, group: str, event_ids: Sequence[str], limit: int = 20) -> list[InboxSnapshot]:
    """What one group of consumers has handled of these events, the latest first."""
    key = [InboxEntry.consumer_group == group, InboxEntry.event_id.in_(event_ids)]
    return _handled(await InboxRepository(session).list(*key, order_by=[InboxEntry.processed_at.desc()], limit=limit))


def _handled(entries: Sequence[InboxEntry]) -> list[InboxSnapshot]:
    return [InboxSnapshot(e.consumer_group, e.event_id, e.event_type, e.processed_at) for e in entries]


def _count(status: Status) -> Any:
    some = select(DomainEvent.id).where(DomainEvent.status == status).limit(MOST_COUNTED).subquery()
    return select(func.count()).select_from(some).scalar_subquery()
