"""The SQL of the outbox. What the relay runs often touches pending rows only, through partial indexes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zlib import crc32

import msgspec
from sqlalchemy import JSON, ColumnElement, Select, delete, func, literal, literal_column, or_, select, update
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

    async def redrive(self, *where: ColumnElement[bool]) -> int:
        """Dead letters to pending, as if never tried; the last error stays to be read."""
        fresh = {"status": Status.PENDING, "attempts": 0, "next_attempt_at": None}
        return await self._change(DomainEvent.status == DEAD, *where, values=fresh)

    async def replay(self, *where: ColumnElement[bool]) -> int:
        """Published events to pending. Without a batch they are no part of what a recovery compares."""
        fresh = {"status": Status.PENDING, "attempts": 0, "published_at": None, "stream_id": None, "batch": None}
        return await self._change(DomainEvent.status == Status.PUBLISHED, *where, values=fresh)

    async def discard(self, *where: ColumnElement[bool], reason: str) -> int:
        """Dead letters to discarded, the reason in front of the error that it answers."""
        said = literal(f"Discarded: {reason}. Before that: ") + DomainEvent.last_error
        values = {"status": Status.DISCARDED, "last_error": said}
        return await self._change(DomainEvent.status == DEAD, *where, values=values)

    async def _change(self, *where: ColumnElement[bool], values: dict[str, Any]) -> int:
        statement = update(DomainEvent).where(*where).values(values).execution_options(synchronize_session=False)
        return int((await self.session.execute(statement)).rowcount)  # type: ignore[attr-defined]


class Mark(msgspec.Struct, frozen=True, order=True):
    """How far a partition is: the same pair in the database and in Redis means the same history."""

    generation: int
    batch: int

    def __str__(self) -> str:
        return f"{self.generation}:{self.batch}"

    @classmethod
    def parse(cls, text: str | None) -> "Mark":
        generation, _, batch = (text or "0:0").partition(":")
        return cls(int(generation), int(batch))

    def following(self) -> "Mark":
        return Mark(self.generation, self.batch + 1)


class Position(msgspec.Struct, frozen=True):
    """Where a partition stands in the database."""

    partition: int
    epoch: str
    generation: int
    batch: int
    forks: list[int]
    paused: bool = False
    has_pending: bool = False

    @property
    def mark(self) -> Mark:
        return Mark(self.generation, self.batch)


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
        return Position(*row[: len(_POSITION)]) if row else None

    async def move(self, position: Position, to: Mark) -> bool:
        """Go to a mark if the partition still stands at `position`. False: another relay moved it meanwhile."""
        forks = position.forks if to.generation == position.generation else [*position.forks, to.batch]
        result = await self.session.execute(
            update(OutboxPartition)
            .where(
                OutboxPartition.partition == position.partition,
                OutboxPartition.epoch == position.epoch,
                OutboxPartition.generation == position.generation,
                OutboxPartition.batch == position.batch,
            )
            .values(generation=to.generation, batch=to.batch, forks=forks)
        )
        return bool(result.rowcount)  # type: ignore[attr-defined]

    async def set_paused(self, paused: bool) -> None:
        # On PostgreSQL this waits for the row locks: when it returns, the pass that was under way has ended.
        await self.session.execute(update(OutboxPartition).values(paused=paused))

    async def resize(self, count: int) -> None:
        """Have partitions 0 to count − 1. New ones get an epoch of their own: no mark in Redis is theirs."""
        insert = postgresql.insert if self._on_postgresql else sqlite.insert
        fresh = {"epoch": new_id(), "generation": 0, "batch": 0, "forks": [], "paused": False}
        rows = [{"partition": number, **fresh} for number in range(count)]
        await self.session.execute(insert(OutboxPartition).on_conflict_do_nothing(), rows)
        await self.session.execute(delete(OutboxPartition).where(OutboxPartition.partition >= count))
        # Batch 0: in Redis as long as Redis is not emptied, whatever partition comes under that number again.
        await self.session.execute(
            update(DomainEvent)
            .where(DomainEvent.partition >= count, DomainEvent.status == Status.PUBLISHED)
            .values(batch=0)
            .execution_options(synchronize_session=False)
        )

    async def adopt_strays(self, count: int) -> int:
        """Move pending events that were written for partitions which do not exist: Redis never saw them."""
        strays = select(DomainEvent.id, DomainEvent.aggregate_type, DomainEvent.aggregate_id).where(
            DomainEvent.status == PENDING, DomainEvent.partition >= count
        )
        rows = (await self.session.execute(strays)).all()
        for id_, aggregate_type, aggregate_id in rows:
            await self.session.execute(
                update(DomainEvent)
                .where(DomainEvent.id == id_)
                .values(partition=partition_of(aggregate_type, aggregate_id, count))
                .execution_options(synchronize_session=False)
            )
        return len(rows)


_POSITION = (
    OutboxPartition.partition,
    OutboxPartition.epoch,
    OutboxPartition.generation,
    OutboxPartition.batch,
    OutboxPartition.forks,
    OutboxPartition.paused,
)


def partition_of(aggregate_type: str, aggregate_id: str, count: int) -> int:
    """The unit of order and locking that an aggregate belongs to: crc32 of its key, modulo `count`."""
    return crc32(f"{aggregate_type}:{aggregate_id}".encode()) % count


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
