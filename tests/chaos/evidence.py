"""What a run left behind is read when nothing of it runs any more but the servers."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import select

from outbox.envelope import FIELD, decode
from outbox.models import DomainEvent, InboxEntry
from qulab.cache import keys
from qulab.db.engine import Database, open_database
from tests.chaos.compare import Entry, Evidence, Row
from tests.chaos.notes import Intended, Written, read_notes
from tests.chaos.tables import GROUP, effects, stream_types

PAGE = 2000  # entries


async def gather(
    database_url: str, streams: Redis, notes: list[Path], *, dead: set[str], past_dead: set[str], overtaken: int
) -> Evidence:
    transactions, stored = _noted(notes)
    # A Database of its own: the connections of another may have died with a server.
    async with open_database(database_url) as database:
        rows, times, inbox = await _stored(database)
    return Evidence(
        transactions=transactions,
        stored=stored,
        rows=rows,
        entries=[entry async for entry in _entries(streams)],
        effects=times,
        inbox=inbox,
        dead=dead,
        past_dead=past_dead,
        overtaken=overtaken,
    )


def _noted(files: list[Path]) -> tuple[list[list[Written]], set[str]]:
    """What each transaction was about to write, and the ids of those that were acknowledged or found."""
    transactions: list[list[Written]] = []
    stored: set[str] = set()
    for file in files:
        open_: dict[int, Intended] = {}
        for note in read_notes(file):
            if isinstance(note, Intended):
                open_[note.transaction] = note
                transactions.append(note.events)
            elif note.stored:
                stored |= {event.id for event in open_[note.transaction].events}
    return transactions, stored


async def _stored(database: Database) -> tuple[list[Row], "Counter[str]", set[str]]:
    columns = [DomainEvent.id, DomainEvent.aggregate_type, DomainEvent.aggregate_id, DomainEvent.seq]
    statement = select(*columns, DomainEvent.status, DomainEvent.stream_id, DomainEvent.attempts)
    async with database.reading() as session:
        rows = [Row(*row) for row in await session.execute(statement)]
        times = Counter(await session.scalars(select(effects.c.event_id)))
        inbox = set(await session.scalars(select(InboxEntry.event_id).where(InboxEntry.consumer_group == GROUP)))
    return rows, times, inbox


async def _entries(streams: Redis) -> AsyncIterator[Entry]:
    for type_ in stream_types():
        after = "-"
        while page := await _page(streams, keys.stream(type_), after):
            for entry_id, fields in page:
                event = decode(fields[FIELD])
                yield Entry(entry_id, event.id, type_, event.subject, event.data["number"])
            after = f"({page[-1][0]}"


async def _page(streams: Redis, stream: str, after: str) -> list[Any]:
    page: Any = await streams.xrange(stream, min=after, count=PAGE)
    return list(page)
