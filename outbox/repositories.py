"""The SQL of the outbox. What the relay runs often touches pending rows only, through partial indexes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import JSON, ColumnElement, Select, func, literal, literal_column, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased

from outbox.models import DomainEvent, InboxEntry, OutboxPartition, Status
from qulab.db.base import new_id, utcnow
from qulab.db.repository import BaseRepository
from qulab.db.session import Session

# Literals, not parameters: the planner must see that the partial indexes hold what is asked for.
PENDING: ColumnElement[str] = literal_column("'pending'")
DEAD: ColumnElement[str] = literal_column("'dead'")
ZERO: ColumnElement[int] = literal_column("0")

# A relay that stops half-way must give its lock back. Set in the statement that takes the lock.
STATEMENT_TIMEOUT = "10s"
IDLE_TIMEOUT = "10s"


class DomainEventRepository(BaseRepository[DomainEvent]):
    async def get_pending_events(self, limit: int = 10) -> Sequence[DomainEvent]:
        """The oldest pending events first."""
        return await self.list(
            DomainEvent.status == Status.PENDING,
            order_by=[DomainEvent.created_at, DomainEvent.seq],
            limit=limit,
        )

    async def mark_as_published(self, event_ids: Sequence[str], *, now: datetime | None = None) -> int:
        """Mark in one statement; returns how many were pending until now."""
        statement = (
            update(DomainEvent)
            .where(DomainEvent.id.in_(event_ids), DomainEvent.status == Status.PENDING)
            .values(status=Status.PUBLISHED, published_at=now or utcnow())
            .execution_options(synchronize_session=False)
        )
        result = await self.session.execute(statement)
        return int(result.rowcount)  # type: ignore[attr-defined]


class Position(msgspec.Struct, frozen=True):
    """Where a partition stands in the database."""

    partition: int
    epoch: str
    batch: int
    paused: bool = False
    has_pending: bool = False


class PartitionRepository:
    """Positions of the partitions, and the moves of their batch numbers."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._on_postgresql = session.get_bind().dialect.name == "postgresql"

    async def positions(self) -> list[Position]:
        """All partitions, each with whether something is pending: one step in an index for each."""
        pending = select(literal(1)).where(
            DomainEvent.partition == OutboxPartition.partition, DomainEvent.status == PENDING
        )
        rows = await self.session.execute(select(*_POSITION, pending.exists()).order_by(OutboxPartition.partition))
        return [Position(*row) for row in rows]

    async def take(self, partition: int) -> Position | None:
        """The partition's position, locked on PostgreSQL. None: paused, or another relay holds it."""
        statement: Select[Any] = select(*_POSITION).where(
            OutboxPartition.partition == partition, OutboxPartition.paused.is_(False)
        )
        if self._on_postgresql:
            statement = statement.add_columns(
                func.set_config("statement_timeout", STATEMENT_TIMEOUT, True),
                func.set_config("idle_in_transaction_session_timeout", IDLE_TIMEOUT, True),
            ).with_for_update(skip_locked=True)
        row = (await self.session.execute(statement)).one_or_none()
        return Position(*row[:4]) if row else None

    async def move(self, position: Position, batch: int) -> bool:
        """Set the batch number if it is still the one of `position`. False: another relay moved it meanwhile."""
        result = await self.session.execute(
            update(OutboxPartition)
            .where(OutboxPartition.partition == position.partition, OutboxPartition.batch == position.batch)
            .values(batch=batch)
        )
        return bool(result.rowcount)  # type: ignore[attr-defined]

    async def set_paused(self, paused: bool) -> None:
        # On PostgreSQL this waits for the row locks: when it returns, the pass that was under way has ended.
        await self.session.execute(update(OutboxPartition).values(paused=paused))

    async def create_missing(self, count: int) -> None:
        insert = postgresql.insert if self._on_postgresql else sqlite.insert
        epoch = await self.session.scalar(select(func.max(OutboxPartition.epoch))) or new_id()
        rows = [{"partition": number, "epoch": epoch, "batch": 0, "paused": False} for number in range(count)]
        await self.session.execute(insert(OutboxPartition).on_conflict_do_nothing(), rows)


_POSITION = (OutboxPartition.partition, OutboxPartition.epoch, OutboxPartition.batch, OutboxPartition.paused)


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

    async def reopen(self, partition: int, *, since: int) -> int:
        """Make pending again what was published in batches from `since` on; returns how many."""
        result = await self.session.execute(
            update(DomainEvent)
            .where(
                DomainEvent.partition == partition,
                DomainEvent.batch >= since,
                DomainEvent.status == Status.PUBLISHED,
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


class InboxRepository(BaseRepository[InboxEntry]):
    async def enter(self, consumer_group: str, event_id: str, event_type: str) -> bool:
        """Note that the group handles this event. False: it did so before."""
        insert = postgresql.insert if self.session.get_bind().dialect.name == "postgresql" else sqlite.insert
        result = await self.session.execute(
            insert(InboxEntry)
            .values(consumer_group=consumer_group, event_id=event_id, event_type=event_type, processed_at=utcnow())
            .on_conflict_do_nothing()
        )
        return bool(result.rowcount)  # type: ignore[attr-defined]

    async def latest(self, limit: int = 20) -> Sequence[InboxEntry]:
        return await self.list(order_by=[InboxEntry.processed_at.desc()], limit=limit)
