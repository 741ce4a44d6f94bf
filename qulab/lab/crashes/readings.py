"""What a crash left is read from the table and from Redis, by their own keys; nothing is concluded."""

from typing import Any

import msgspec
from django.conf import settings
from sqlalchemy import func, select

from assessments.models import AIRScore
from outbox.marks import Marks
from outbox.models import DomainEvent, OutboxPartition
from qulab.cache.client import get_streams
from qulab.db.engine import Database

PAGE = 500  # entries of a stream that are read at once
CLOCKS_APART = 60.0  # seconds, at the most, between this machine and that of Redis


class Rows(msgspec.Struct, frozen=True):
    """How many rows a transaction left."""

    scores: int
    events: int


class Look(msgspec.Struct, frozen=True):
    """One event at one moment: its row, its entries, and the batch numbers of its partition on both sides."""

    status: str
    entries: int
    batch: int
    mark: int
    repeated: int  # by the partition's counter, over all time


async def rows(database: Database, score_id: str, event_id: str) -> Rows:
    counts = [
        select(func.count()).select_from(model).where(model.id == id_).scalar_subquery()
        for model, id_ in ((AIRScore, score_id), (DomainEvent, event_id))
    ]
    async with database.reading() as session:
        return Rows(*(await session.execute(select(*counts))).one())


async def look(database: Database, event_id: str, stream: str, since: float) -> Look:
    """Raises RedisError. `since`: Unix time before the event was written."""
    statement = (
        select(
            DomainEvent.status,
            *(getattr(OutboxPartition, name) for name in ("batch", "repeated", "partition", "epoch")),
        )
        .join(OutboxPartition, OutboxPartition.partition == DomainEvent.partition)
        .where(DomainEvent.id == event_id)
    )
    async with database.reading() as session:
        status, batch, repeated, partition, epoch = (await session.execute(statement)).one()
    marks = Marks(get_streams(), stream_maxlen=settings.OUTBOX_STREAM_MAXLEN)
    mark = (await marks.look({partition: epoch})).marks[partition]
    return Look(status, await entries(stream, event_id, since), batch, mark.batch, repeated)


async def entries(stream: str, event_id: str, since: float) -> int:
    """How many entries of the stream are this event. Raises RedisError."""
    found, start = 0, str(int(1000 * (since - CLOCKS_APART)))
    while True:
        page: Any = await get_streams().xrange(stream, min=start, count=PAGE)
        found += sum(f'"id":"{event_id}"' in fields.get("event", "") for _, fields in page)
        if len(page) < PAGE:
            return found
        start = f"({page[-1][0]}"
