"""No committed event is lost, and none enters its stream twice: a batch is published only where the number that the
database has and the mark that Redis holds agree, and Redis checks that in the call that adds the entries.

One pass moves one batch of one partition. On PostgreSQL the partition's row is locked meanwhile; on SQLite, which has
one writer, the write lock is never held across Redis, and the compare-and-set on the batch number alone decides.
"""

import asyncio
import logging
import os
import random
import socket
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

from outbox import activity
from outbox.envelope import encode
from outbox.marks import Kind, Marks, Message, Reply
from outbox.repositories import PartitionRepository, Position, RelayRepository
from outbox.wake import wait_for_hint
from qulab.cache import keys
from qulab.cache.breaker import CircuitBreaker
from qulab.db.base import utcnow
from qulab.db.engine import Database
from qulab.db.session import Session

logger = logging.getLogger(__name__)

LONGEST_WAIT = 0.5  # seconds for a hint, before the relay looks by itself
FIRST_BACKOFF = 1.0  # seconds, doubled by each failed attempt of one event
LONGEST_BACKOFF = 300.0

Away = (RedisError, OSError, asyncio.TimeoutError)


class Ending(StrEnum):
    """How a pass ended."""

    PUBLISHED = "published"
    REPEATED = "repeated"  # a batch that a dead relay had published was only marked
    RECOVERED = "recovered"  # Redis had lost batches: their events are pending again
    NOTHING = "nothing"  # paused, held by another relay, or nothing due
    OVERTAKEN = "overtaken"  # another relay moved the partition meanwhile
    DATABASE_OLDER = "database older than Redis"
    REFUSED = "refused"


PROGRESS = {Ending.PUBLISHED, Ending.REPEATED, Ending.RECOVERED}


class Tally(msgspec.Struct):
    """What a drain did, in events; `passes` counts those that moved something."""

    published: int = 0
    repeated: int = 0
    recovered: int = 0
    failed: int = 0
    passes: int = 0
    seconds: float = 0.0

    @property
    def is_empty(self) -> bool:
        return not (self.published or self.repeated or self.recovered or self.failed)

    def add(self, other: "Tally") -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Failure(msgspec.Struct, frozen=True):
    """An event that cannot be encoded, with its attempts so far."""

    event_id: str
    attempts: int
    error: str


class Work(msgspec.Struct, frozen=True):
    """What a pass took from the database."""

    position: Position
    messages: list[Message]
    failures: list[Failure]


class Relay:
    """Moves events from the outbox into the streams. Any number may run at once."""

    def __init__(
        self, database: Database, streams: Redis, *, name: str | None = None, clock: Callable[[], datetime] = utcnow
    ) -> None:
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._database = database
        self._streams = streams
        self._marks = Marks(streams, stream_maxlen=settings.OUTBOX_STREAM_MAXLEN)
        self._clock = clock
        self._breaker = CircuitBreaker()

    async def run(self, seconds: float | None = None) -> Tally:
        """Alternate drain and wait for a hint for `seconds`, or until cancelled."""
        ends_at = time.monotonic() + (float("inf") if seconds is None else seconds)
        total = Tally()
        while True:
            total.add(await self.drain(ends_at))
            left = ends_at - time.monotonic()
            if left <= 0:
                return total
            await self._wait(min(left, LONGEST_WAIT))

    async def drain(self, ends_at: float = float("inf")) -> Tally:
        """Publish batch after batch until nothing is due or time (monotonic, seconds) is up.

        A Redis that is away costs no event an attempt: the drain ends, and what is pending stays pending.
        """
        tally = Tally()
        if not self._breaker.allows():
            return tally
        began = time.monotonic()
        try:
            await self._drain(tally, ends_at)
            if self._breaker.is_open:
                logger.info("Redis answers again: publishing goes on")
            self._breaker.succeeded()
            tally.seconds = time.monotonic() - began
            if not tally.is_empty:
                await activity.note(self._streams, self.name, tally)
        except Away as error:
            if not self._breaker.is_open:
                logger.warning("Redis does not answer (%s): events stay pending until it does", error)
            self._breaker.failed()
        return tally

    async def _drain(self, tally: Tally, ends_at: float) -> None:
        behind = await self._behind()
        while True:
            progressed = False
            for partition in await self._partitions_to_do(behind):
                ending = await self._pass(partition, tally, even_if_empty=partition in behind)
                behind.discard(partition)
                progressed |= ending in PROGRESS
                if time.monotonic() >= ends_at:
                    return
            if not progressed:
                return

    async def _behind(self) -> set[int]:
        """Partitions whose mark is lower than their batch number: Redis lost data, perhaps while nothing was pending.

        The batch numbers are read first: a mark only grows meanwhile, so a batch under way is not taken for a loss.
        """
        positions = await self._positions()
        marks = await self._marks.read({position.partition: position.epoch for position in positions})
        return {position.partition for position in positions if marks[position.partition] < position.batch}

    async def _partitions_to_do(self, behind: set[int]) -> list[int]:
        todo = [
            p.partition for p in await self._positions() if not p.paused and (p.has_pending or p.partition in behind)
        ]
        random.shuffle(todo)  # so that several relays do not queue at the same partition
        return todo

    async def _positions(self) -> list[Position]:
        async with self._database.reading() as session:
            return await PartitionRepository(session).positions()

    async def _pass(self, partition: int, tally: Tally, *, even_if_empty: bool) -> Ending:
        if self._database.dialect == "sqlite":
            async with self._database.reading() as session:
                work = await self._take(session, partition)
            reply = await self._offer(work, even_if_empty)
            if work is None or not (reply or work.failures):
                return Ending.NOTHING
            async with self._database.writing() as session:
                return await self._settle(session, work, reply, tally)
        async with self._database.writing() as session:
            work = await self._take(session, partition)
            reply = await self._offer(work, even_if_empty)
            if work is None or not (reply or work.failures):
                return Ending.NOTHING
            return await self._settle(session, work, reply, tally)

    async def _take(self, session: Session, partition: int) -> Work | None:
        position = await PartitionRepository(session).take(partition)
        if position is None:
            return None
        rows = await RelayRepository(session).due(partition, now=self._clock(), limit=settings.OUTBOX_BATCH)
        messages, failures = _encode_all(rows)
        return Work(position, messages, failures)

    async def _offer(self, work: Work | None, even_if_empty: bool) -> Reply | None:
        if work is None or not (work.messages or even_if_empty):
            return None
        position = work.position
        return await self._marks.publish(position.epoch, position.partition, position.batch, work.messages)

    async def _settle(self, session: Session, work: Work, reply: Reply | None, tally: Tally) -> Ending:
        """Write down what Redis said. Nothing is stored where another relay moved the partition meanwhile."""
        ending = Ending.NOTHING
        if reply is not None:
            ending, moved_to = _judge(reply, work.position)
            if not await PartitionRepository(session).move(work.position, moved_to):
                return Ending.OVERTAKEN
            await self._apply(session, work.position, reply, ending, tally)
        for failure in work.failures:
            await self._fail(session, failure)
        tally.failed += len(work.failures)
        await session.commit()
        tally.passes += ending in PROGRESS
        return ending

    async def _apply(self, session: Session, position: Position, reply: Reply, ending: Ending, tally: Tally) -> None:
        repository = RelayRepository(session)
        if ending is Ending.RECOVERED:
            reopened = await repository.reopen(position.partition, since=reply.mark)
            kept = await repository.settle(reply.map, batch=reply.mark, now=self._clock())
            tally.recovered += max(reopened - kept, 0)
            logger.warning(
                "Redis lost %d events of partition %d: they are published again", reopened - kept, position.partition
            )
        elif ending in PROGRESS:
            count = await repository.settle(reply.map, batch=reply.mark, now=self._clock())
            if ending is Ending.PUBLISHED:
                tally.published += count
            else:
                tally.repeated += count
        elif ending is not Ending.NOTHING:
            logger.error(
                "partition %d stands still: %s (batch %d, mark %d)",
                position.partition,
                ending,
                position.batch,
                reply.mark,
            )

    async def _fail(self, session: Session, failure: Failure) -> None:
        attempts = failure.attempts + 1
        pause = min(FIRST_BACKOFF * 2**failure.attempts, LONGEST_BACKOFF) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
        await RelayRepository(session).fail(
            failure.event_id,
            attempts=failure.attempts,
            error=failure.error,
            dead=attempts >= settings.OUTBOX_MAX_ATTEMPTS,
            retry_at=self._clock() + timedelta(seconds=pause),
        )

    async def _wait(self, seconds: float) -> None:
        try:
            await wait_for_hint(self._streams, seconds)
        except Away:
            await asyncio.sleep(seconds)  # without Redis there are no hints; the breaker says when to look again


def _judge(reply: Reply, position: Position) -> tuple[Ending, int]:
    """How the pass ends, and the batch number that the partition has then."""
    match reply.kind:
        case Kind.PUBLISHED:
            return Ending.PUBLISHED, reply.mark
        case Kind.REPEATED:
            return Ending.REPEATED, reply.mark
        case Kind.BEHIND:
            return Ending.RECOVERED, reply.mark
        case Kind.AHEAD:
            return Ending.DATABASE_OLDER, position.batch
        case Kind.REFUSED:
            return Ending.REFUSED, position.batch
        case Kind.AGREED:
            return Ending.NOTHING, position.batch


def _encode_all(rows: Any) -> tuple[list[Message], list[Failure]]:
    """Encode in order. What follows an event that fails, in its aggregate, waits for it."""
    messages: list[Message] = []
    failures: list[Failure] = []
    waiting: set[tuple[str, str]] = set()
    for row in rows:
        aggregate = (row.aggregate_type, row.aggregate_id)
        if aggregate in waiting:
            continue
        try:
            messages.append(Message(row.id, keys.stream(row.aggregate_type), _encode(row)))
        except (TypeError, ValueError) as error:
            failures.append(Failure(row.id, row.attempts, f"{type(error).__name__}: {error}"))
            waiting.add(aggregate)
    return messages, failures


def _encode(row: Any) -> str:
    return encode(
        id_=row.id,
        event_type=row.event_type,
        aggregate_type=row.aggregate_type,
        aggregate_id=row.aggregate_id,
        created_at=row.created_at,
        schema_version=row.schema_version,
        headers=row.headers,
        payload=row.payload,
    )


async def prepare_partitions(database: Database) -> None:
    """Make the table agree with the setting. Raises PartitionCountChanged while events wait under another count."""
    async with database.writing() as session:
        repository = PartitionRepository(session)
        positions = await repository.positions()
        count = settings.OUTBOX_PARTITIONS
        if len(positions) != count and positions and any(position.has_pending for position in positions):
            raise PartitionCountChanged(len(positions), count)
        await repository.create_missing(count)
        await session.commit()


class PartitionCountChanged(Exception):
    """The number of partitions was changed while events are pending, which would break their order."""

    def __init__(self, stored: int, wanted: int) -> None:
        super().__init__(
            f"QULAB_OUTBOX_PARTITIONS is {wanted}, but events are pending in {stored} partitions. "
            f"Set it to {stored}, let `manage.py relay --until-empty` publish them, then change it."
        )
