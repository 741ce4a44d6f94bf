"""A transaction is tried until it is committed; one whose COMMIT has an unknown end is looked up, never guessed.

Writers of an aggregate serialise on its row. That also makes a look-up wait for a session that its writer left behind.
"""

import asyncio
import random
from typing import Any

from sqlalchemy import func, select, update

from outbox.events import record_event
from outbox.models import DomainEvent
from qulab.db.engine import Database
from qulab.db.errors import is_outage
from qulab.db.session import Session
from tests.chaos.notes import Intended, Notes, Written
from tests.chaos.tables import EVENT_TYPE, aggregates, type_of

PAUSE = 0.05  # seconds, while the database is away
LONE_SURROGATE = "\ud800"  # JSON columns store it, and the encoder of envelopes refuses it


class Writer:
    """Writes small transactions over the aggregates 0 to `count` − 1."""

    def __init__(self, database: Database, notes: Notes, *, count: int) -> None:
        self._database = database
        self._notes = notes
        self._count = count

    async def write(self, events: int, *, poison_for: int | None = None) -> None:
        """One transaction with so many events; with poison, of one event that cannot be published."""
        while not await self._is_written(events, poison_for):
            await asyncio.sleep(random.uniform(0.5, 1.5) * PAUSE)

    async def resolve(self) -> None:
        """Look up every transaction whose end is unknown."""
        for intended in self._notes.unresolved:
            while (stored := await self._look_up(intended)) is None:
                await asyncio.sleep(PAUSE)
            self._notes.end(intended.transaction, stored=stored)

    async def _is_written(self, events: int, poison_for: int | None) -> bool:
        before = self._notes.stored
        try:
            async with self._database.writing() as session:
                transaction = await self._record(session, events, poison_for)
                await session.commit()
        except Exception as error:
            self._raise_unless_outage(error)
            await self.resolve()
            return self._notes.stored > before
        self._notes.end(transaction, stored=True, acknowledged=True)
        return True

    async def _record(self, session: Session, events: int, poison_for: int | None) -> int:
        chosen = [poison_for] if poison_for is not None else random.choices(range(self._count), k=events)
        numbers = await _lock(session, set(chosen))
        written = []
        for aggregate in chosen:
            numbers[aggregate] += 1
            written.append(await self._add(session, aggregate, numbers[aggregate], poison_for is not None))
        for aggregate in set(chosen):
            await session.execute(
                update(aggregates).where(aggregates.c.id == aggregate).values(last=numbers[aggregate])
            )
        return self._notes.intend(written)

    async def _add(self, session: Session, aggregate: int, number: int, poison: bool) -> Written:
        payload: dict[str, Any] = {"number": number} | ({"text": LONE_SURROGATE} if poison else {})
        event = record_event(
            session,
            event_type=EVENT_TYPE,
            aggregate_type=type_of(aggregate),
            aggregate_id=str(aggregate),
            payload=payload,
        )
        await session.flush()  # each by itself: the numbers must be in the order of `seq`
        return Written(event.id, event.aggregate_type, event.aggregate_id, number, poison)

    async def _look_up(self, intended: Intended) -> bool | None:
        """None: the database is away."""
        ids = [event.id for event in intended.events]
        try:
            async with self._database.writing() as session:
                await _lock(session, {int(event.aggregate) for event in intended.events})
                count = await session.scalar(
                    select(func.count()).select_from(DomainEvent).where(DomainEvent.id.in_(ids))
                )
        except Exception as error:
            self._raise_unless_outage(error)
            return None
        return bool(count)

    def _raise_unless_outage(self, error: Exception) -> None:
        # An SQLite file is never away: "database is locked" is a fault of ours.
        if not is_outage(error) or self._database.dialect == "sqlite":
            raise error


async def _lock(session: Session, chosen: set[int]) -> dict[int, int]:
    """The aggregates' last numbers, locked in one order for all writers. On SQLite the transaction is the lock."""
    statement = select(aggregates.c.id, aggregates.c.last).where(aggregates.c.id.in_(chosen)).order_by(aggregates.c.id)
    rows = await session.execute(statement.with_for_update())
    return {row.id: row.last for row in rows}
