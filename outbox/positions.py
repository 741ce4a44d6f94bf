"""Where each partition stands: the batch number that Redis must agree with, and the row that a relay locks."""

from typing import Any
from zlib import crc32

import msgspec
from sqlalchemy import Select, delete, func, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from outbox.models import DomainEvent, OutboxPartition, Status, waits
from qulab.db.base import new_id
from qulab.db.session import Session

# A relay that stops half-way must give its lock back. Set in the statement that takes the lock.
STATEMENT_TIMEOUT = "10s"
IDLE_TIMEOUT = "10s"


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
        pending = select(literal(1)).where(DomainEvent.partition == OutboxPartition.partition, waits())
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

    async def lock_all(self) -> list[Position]:
        """All partitions, at rest until the transaction ends. SQLite has one writer, which is this one."""
        statement = select(*_POSITION).order_by(OutboxPartition.partition)
        rows = await self.session.execute(statement.with_for_update() if self._on_postgresql else statement)
        return [Position(*row) for row in rows]

    async def move(self, position: Position, to: Mark, **counted: int) -> bool:
        """Go to a mark if the partition still stands at `position`. False: another relay moved it meanwhile.

        `counted` is added to the counters of these names, in events.
        """
        forks = position.forks if to.generation == position.generation else [*position.forks, to.batch]
        result = await self.session.execute(
            update(OutboxPartition)
            .where(
                OutboxPartition.partition == position.partition,
                OutboxPartition.epoch == position.epoch,
                OutboxPartition.generation == position.generation,
                OutboxPartition.batch == position.batch,
            )
            .values(generation=to.generation, batch=to.batch, forks=forks, **_more(counted))
        )
        return bool(result.rowcount)  # type: ignore[attr-defined]

    async def count(self, partition: int, **counted: int) -> None:
        """Add to the counters of these names, in events."""
        where = OutboxPartition.partition == partition
        await self.session.execute(update(OutboxPartition).where(where).values(**_more(counted)))

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
        # Batch 0: in Redis as long as Redis is not emptied; then only a partition that exists recovers them.
        await self.session.execute(
            update(DomainEvent)
            .where(DomainEvent.partition >= count, DomainEvent.status == Status.PUBLISHED)
            .values(batch=0, partition=DomainEvent.partition % count)
            .execution_options(synchronize_session=False)
        )

    async def adopt_strays(self, count: int) -> int:
        """Move pending events that were written for partitions which do not exist: Redis never saw them."""
        strays = select(DomainEvent.id, DomainEvent.aggregate_type, DomainEvent.aggregate_id).where(
            waits(), DomainEvent.partition >= count
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


def _more(counted: dict[str, int]) -> dict[str, Any]:
    return {name: getattr(OutboxPartition, name) + number for name, number in counted.items() if number}


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
