"""What tests of pruning share: pruning as of now, and making what is there older than it is."""

from datetime import timedelta
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import select

from outbox import pruning
from outbox.models import DomainEvent, InboxEntry, Status
from outbox.pruning import Pruned
from qulab.db.base import utcnow
from qulab.db.engine import Database
from tests.admin.conftest import event

NOTHING = timedelta()
MONTH = timedelta(days=30)
STREAM = "events:Order"


async def prune(database: Database, redis: Redis, older_than: timedelta = NOTHING, batch: int = 1000) -> Pruned:
    return await pruning.prune(database, redis, older_than=older_than, batch=batch)


async def ids(database: Database) -> set[str]:
    async with database.reading() as session:
        return set((await session.scalars(select(DomainEvent.id))).all())


async def inbox(database: Database) -> set[str]:
    async with database.reading() as session:
        return set((await session.scalars(select(InboxEntry.event_id))).all())


async def age(database: Database, by: timedelta) -> None:
    """As if all that is there had happened so much earlier."""
    async with database.writing() as session:
        for row in (await session.execute(select(DomainEvent))).scalars().all():
            row.created_at -= by
            row.updated_at -= by
            row.published_at = row.published_at - by if row.published_at else None
        for entry in (await session.execute(select(InboxEntry))).scalars().all():
            entry.processed_at -= by
        await session.commit()


def ended(status: Status, *, created: timedelta, at: timedelta) -> DomainEvent:
    """An event that was created and came to its end so long ago."""
    now = utcnow()
    times: dict[str, Any] = {"created_at": now - created, "updated_at": now - at}
    if status is Status.PUBLISHED:
        times["published_at"] = now - at
    return event(status, **times)


async def next_millisecond(redis: Redis) -> None:
    """Until no entry is of the present one: an entry's id is its millisecond, and it is not older than itself."""

    async def now() -> int:
        seconds, microseconds = await redis.time()
        return int(seconds * 1000 + microseconds // 1000)

    began = await now()
    while await now() <= began:
        pass
