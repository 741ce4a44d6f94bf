"""What is past retention goes, and nothing that could still be wanted: no event is lost by pruning, and none repeated.

Relays publish and Redis recovers meanwhile. Why that is safe:

- Only published and discarded rows go, and only those whose end (`published_at`, `updated_at`) is past retention: what
  is pending or dead stays. A recovery, a refill or a replay makes a row pending again. Where it committed first, it
  no longer matches; where somebody holds its lock, pruning passes over it (on SQLite there is one writer anyway).
  Where pruning comes first, the recovery waits for its short transaction and republishes the other rows in their order:
  the promise is for what is within retention. Pruning waits for no row, so it takes part in no deadlock.
- Marks, batch numbers and maps stay. A map that names a row which is gone marks nothing.
- A stream is trimmed in the very Lua call that looks at its groups, and keeps what one has yet to read or acknowledge.
  Its key stays even when it is empty: a stream that is missing counts as lost data.
- An inbox row is what keeps a repeated delivery harmless. It may go when its event cannot come again: the event's row
  is gone, so nobody can publish it, and no stream has an entry left from before the cut-off, however late the event was
  published last (a replay of an event long handled has a new entry). Where a slow group needs an older entry, the inbox
  stays whole until that group has caught up. Streams are cut MARGIN further than the table, for clocks that differ.
  Only a Redis that comes back with data older than the retention reaches beyond this.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import and_, func, literal, or_, select

from outbox import streams
from outbox.models import DomainEvent, InboxEntry, Status
from outbox.repositories import DomainEventRepository, InboxRepository, past_retention
from outbox.streams import Trimmed
from qulab.db.base import utcnow
from qulab.db.engine import Database
from qulab.db.loop import raise_if_cancelled
from qulab.db.retry import retried
from qulab.db.session import Session

BATCH = 500  # rows deleted in one transaction
MARGIN = timedelta(minutes=1)  # that the clocks of Redis, relays and the pruning process may differ
PRUNED = (Status.PUBLISHED, Status.DISCARDED)


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What went, or in a dry run would go. `streams` is None without Redis; then the inbox stays too.

    `inbox_kept`: whether an entry that some group needs kept the inbox whole.
    """

    before: datetime
    dry_run: bool
    published: int
    discarded: int
    inbox: int
    inbox_kept: bool
    streams: list[Trimmed] | None
    consumers: int


async def prune(
    database: Database, redis: Redis, *, older_than: timedelta, batch: int = BATCH, now: datetime | None = None
) -> Pruned:
    """Delete what is past retention, in transactions of `batch` rows."""
    before = (now or utcnow()) - older_than
    published, discarded = [await _prune_events(database, status, before, batch) for status in PRUNED]
    trimmed, consumers = await _trim(redis, older_than)
    inbox = 0
    if not _inbox_stays(trimmed):
        inbox = await _in_batches(database, lambda session: _delete_inbox(session, before, batch))
    return Pruned(
        before=before,
        dry_run=False,
        published=published,
        discarded=discarded,
        inbox=inbox,
        inbox_kept=_inbox_stays(trimmed),
        streams=trimmed,
        consumers=consumers,
    )


async def foretell(database: Database, redis: Redis, *, older_than: timedelta, now: datetime | None = None) -> Pruned:
    """What `prune` would do now."""
    before = (now or utcnow()) - older_than
    try:
        trimmed = await streams.trim(redis, older_than=_cut(older_than), dry_run=True)
    except RedisError:
        trimmed = None
    async with database.reading() as session:
        published, discarded, inbox = await _counts(session, before)
    return Pruned(
        before=before,
        dry_run=True,
        published=published,
        discarded=discarded,
        inbox=0 if _inbox_stays(trimmed) else inbox,
        inbox_kept=_inbox_stays(trimmed),
        streams=trimmed,
        consumers=0,
    )


async def _prune_events(database: Database, status: Status, before: datetime, batch: int) -> int:
    since: datetime | None = None

    async def work(session: Session) -> int:
        nonlocal since
        gone = await _delete_events(session, status, before, since, batch)
        since = max(gone, default=since)
        return len(gone)

    return await _in_batches(database, work)


async def _in_batches(database: Database, work: Callable[[Session], Awaitable[int]]) -> int:
    """Repeat `work`, each time in a session of its own, until it finds nothing; returns the sum of what it did."""
    total = 0
    while True:
        raise_if_cancelled()
        began = time.monotonic()
        async with database.writing() as session:
            count = await work(session)
        if not count:
            return total
        total += count
        if database.dialect == "sqlite":
            await asyncio.sleep(time.monotonic() - began)  # leave half of the time to other writers


@retried
async def _delete_events(
    session: Session, status: Status, before: datetime, since: datetime | None, batch: int
) -> Sequence[datetime]:
    gone = await DomainEventRepository(session).prune(status, before=before, since=since, limit=batch)
    await session.commit()
    return gone


@retried
async def _delete_inbox(session: Session, before: datetime, batch: int) -> int:
    count = await InboxRepository(session).prune(before=before, limit=batch)
    await session.commit()
    return count


async def _trim(redis: Redis, older_than: timedelta) -> tuple[list[Trimmed] | None, int]:
    """What became of the streams and how many consumers went; None and 0 where Redis is away."""
    try:
        trimmed = await streams.trim(redis, older_than=_cut(older_than))
        return trimmed, await streams.dismiss_idle_consumers(redis)
    except RedisError:
        return None, 0


def _cut(older_than: timedelta) -> timedelta:
    return max(older_than - MARGIN, timedelta())


def _inbox_stays(trimmed: list[Trimmed] | None) -> bool:
    return trimmed is None or any(one.kept_for for one in trimmed)


async def _counts(session: Session, before: datetime) -> tuple[int, int, int]:
    """Published and discarded events, and inbox rows, as if those events were gone already."""
    old = {status: past_retention(status, before) for status in PRUNED}
    events = [select(func.count()).select_from(DomainEvent).where(*old[status]) for status in PRUNED]
    stays = ~or_(*(and_(*clauses) for clauses in old.values()))
    in_outbox = select(literal(1)).where(DomainEvent.id == InboxEntry.event_id, stays).exists()
    inbox = select(func.count()).select_from(InboxEntry).where(InboxEntry.processed_at < before, ~in_outbox)
    row = await session.execute(select(*(one.scalar_subquery() for one in (*events, inbox))))
    published, discarded, forgotten = row.one()
    return published, discarded, forgotten
