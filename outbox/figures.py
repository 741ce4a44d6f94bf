"""Figures of the outbox as operators and their monitoring see them: each read bounded, however large the tables are."""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, func, literal, select

from outbox.models import DEAD, PENDING, DomainEvent, OutboxPartition, waits
from outbox.selectors import MOST_COUNTED
from qulab.db.base import utcnow
from qulab.db.session import Session


class OutboxFigures(msgspec.Struct, frozen=True):
    """`depth` and `dead` are counted up to MOST_COUNTED. `lag_seconds`: age of the oldest pending event, or None.

    The others are events over all time: they outlive relays, pruning and Redis. `repeated` are repeats avoided.
    """

    depth: int
    dead: int
    lag_seconds: float | None
    paused: bool
    published: int
    repeated: int
    recovered: int
    failed: int


class PartitionFigures(msgspec.Struct, frozen=True):
    """One partition; `depth` is counted up to MOST_COUNTED."""

    partition: int
    batch: int
    paused: bool
    depth: int
    published: int
    repeated: int
    recovered: int
    failed: int


_COUNTERS = (OutboxPartition.published, OutboxPartition.repeated, OutboxPartition.recovered, OutboxPartition.failed)


async def outbox_figures(session: Session) -> OutboxFigures:
    """The whole outbox, in one statement."""
    oldest = select(func.min(DomainEvent.created_at)).where(DomainEvent.status == PENDING)
    paused = select(func.count()).select_from(OutboxPartition).where(OutboxPartition.paused.is_(True))
    sums = [select(func.coalesce(func.sum(counter), 0)).scalar_subquery() for counter in _COUNTERS]
    statement = select(
        _count(DomainEvent.status == PENDING),
        _count(DomainEvent.status == DEAD),
        oldest.scalar_subquery(),
        paused.scalar_subquery(),
        *sums,
    )
    depth, dead, created_at, paused_count, *totals = (await session.execute(statement)).one()
    lag = max((utcnow() - created_at).total_seconds(), 0.0) if created_at else None
    return OutboxFigures(depth, dead, lag, bool(paused_count), *map(int, totals))


async def partition_figures(session: Session) -> list[PartitionFigures]:
    """Partition by partition, in one statement."""
    own = _count(waits(), DomainEvent.partition == OutboxPartition.partition)
    columns = (OutboxPartition.partition, OutboxPartition.batch, OutboxPartition.paused, own, *_COUNTERS)
    rows = await session.execute(select(*columns).order_by(OutboxPartition.partition))
    return [PartitionFigures(*row) for row in rows]


def _count(*where: ColumnElement[bool]) -> Any:
    some = select(literal(1)).select_from(DomainEvent).where(*where).limit(MOST_COUNTED)
    return select(func.count()).select_from(some.correlate(OutboxPartition).subquery()).scalar_subquery()
