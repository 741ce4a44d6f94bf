"""The harness asks the database until it answers: it may be away at any moment, by the harness' own doing."""

import asyncio
import time
from typing import Any

from sqlalchemy import Row, func, select, text

from outbox.models import DEAD, PENDING, DomainEvent, InboxEntry, OutboxPartition, Status
from qulab.db.engine import Database
from qulab.db.errors import is_outage
from qulab.db.loop import raise_if_cancelled
from tests.chaos.crew import Failed

ANSWER_SECONDS = 60.0
# Only a session whose client sleeps is in a transaction and asks nothing for so long.
FORSAKEN = "state = 'idle in transaction' AND now() - state_change > interval '150 milliseconds'"


class Observer:
    """What the harness sees of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def positions(self) -> list[tuple[int, int]]:
        """Where each partition stands: they change with every pass that moved something."""
        statement = select(OutboxPartition.generation, OutboxPartition.batch).order_by(OutboxPartition.partition)
        return [(generation, batch) for generation, batch in await self._rows(statement)]

    async def counted(self) -> tuple[int, int]:
        """Events only marked since a dead relay had published them, and events published again, over all time."""
        statement = select(func.sum(OutboxPartition.repeated), func.sum(OutboxPartition.recovered))
        ((repeated, recovered),) = await self._rows(statement)
        return int(repeated or 0), int(recovered or 0)

    async def has_pending(self) -> bool:
        return bool(await self._rows(select(DomainEvent.id).where(DomainEvent.status == PENDING).limit(1)))

    async def pending(self) -> dict[tuple[str, str], tuple[int, int]]:
        """For each aggregate with pending events the first `seq`, and how many there are."""
        key = (DomainEvent.aggregate_type, DomainEvent.aggregate_id)
        statement = select(*key, func.min(DomainEvent.seq), func.count()).where(DomainEvent.status == PENDING)
        return {(type_, id_): (seq, count) for type_, id_, seq, count in await self._rows(statement.group_by(*key))}

    async def dead(self) -> dict[tuple[str, str], tuple[int, str]]:
        """For each aggregate with a dead letter the first one's `seq` and id."""
        key = (DomainEvent.aggregate_type, DomainEvent.aggregate_id)
        statement = select(*key, DomainEvent.seq, DomainEvent.id).where(DomainEvent.status == DEAD)
        rows = await self._rows(statement.order_by(DomainEvent.seq.desc()))
        return {(type_, id_): (seq, event_id) for type_, id_, seq, event_id in rows}

    async def dead_ids(self) -> set[str]:
        return {id_ for (id_,) in await self._rows(select(DomainEvent.id).where(DomainEvent.status == DEAD))}

    async def past_dead(self) -> set[str]:
        """Events that were published although a dead letter comes before them in their aggregate."""
        found: set[str] = set()
        for (type_, id_), (seq, _) in (await self.dead()).items():
            later = select(DomainEvent.id).where(
                DomainEvent.aggregate_type == type_,
                DomainEvent.aggregate_id == id_,
                DomainEvent.seq > seq,
                DomainEvent.status == Status.PUBLISHED,
            )
            found |= {event_id for (event_id,) in await self._rows(later)}
        return found

    async def published(self) -> int:
        statement = select(func.count()).where(DomainEvent.status == Status.PUBLISHED)
        return int((await self._rows(statement))[0][0])

    async def handled(self) -> int:
        """Entries of the inbox."""
        return int((await self._rows(select(func.count()).select_from(InboxEntry)))[0][0])

    async def backends(self) -> list[int]:
        """Process ids of the sessions of others: of those at work, or where none is, of all."""
        sql = (
            "SELECT pid, state <> 'idle' FROM pg_stat_activity WHERE backend_type = 'client backend' "
            "AND datname = current_database() AND pid <> pg_backend_pid() ORDER BY pid"
        )
        sessions = await self._rows(text(sql))
        return [pid for pid, at_work in sessions if at_work] or [pid for pid, _ in sessions]

    async def terminate(self, pid: int) -> None:
        await self._rows(text("SELECT pg_terminate_backend(:pid)").bindparams(pid=pid))

    async def terminate_forsaken(self) -> int:
        """End the sessions whose clients sleep in a transaction, as PostgreSQL itself does later; returns how many."""
        rows = await self._rows(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {FORSAKEN}"))
        return len(rows)

    async def version(self) -> str:
        ((version,),) = await self._rows(text("SHOW server_version"))
        return f"PostgreSQL {version.split()[0]}"

    async def _rows(self, statement: Any) -> list[Row[Any]]:
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            raise_if_cancelled()
            try:
                async with self._database.reading() as session:
                    return list((await session.execute(statement)).all())
            except Exception as error:
                if not is_outage(error):
                    raise
                if time.monotonic() > deadline:
                    raise Failed(f"the database gave no answer for {ANSWER_SECONDS:.0f} s: {error}") from error
            await asyncio.sleep(0.05)
