"""No committed event is lost, and none enters its stream twice: a batch is published only where the number that the
database has and the mark that Redis holds agree, and Redis checks that in the call that adds the entries.

One pass moves one batch of one partition. On PostgreSQL the partition's row is locked meanwhile; on SQLite, which has
one writer, the write lock is never held across Redis, and the compare-and-set on the mark alone decides. A recovery
sets the batch number back and begins a new generation: a relay that slept through it has a mark that never comes again.
"""

import asyncio
import logging
import os
import random
import socket
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

from outbox import activity
from outbox.backlog import RelayRepository
from outbox.batch import Failure, encode_all, refused
from outbox.marks import Marks, Message
from outbox.partitions import prepare_partitions
from outbox.positions import Mark, PartitionRepository, Position
from outbox.verdict import PROGRESS, Ending, is_behind, judge
from outbox.wake import wait_for_hint
from qulab.cache import heartbeat
from qulab.cache.breaker import CircuitBreaker
from qulab.db.base import utcnow
from qulab.db.engine import Database
from qulab.db.errors import is_outage
from qulab.db.loop import raise_if_cancelled
from qulab.db.session import Session

logger = logging.getLogger(__name__)

LONGEST_WAIT = 0.5  # seconds for a hint, before the relay looks by itself
FIRST_BACKOFF = 1.0  # seconds, doubled by each failed attempt of one event
LONGEST_BACKOFF = 300.0


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


class Work(msgspec.Struct, frozen=True):
    """What a pass took from the database."""

    position: Position
    messages: list[Message]
    failures: list[Failure]


class Outcome(msgspec.Struct, frozen=True):
    """What came of an offer: how the pass ends, the mark to go to, and the entries that Redis holds of its batch."""

    ending: Ending
    mark: Mark
    entries: dict[str, str]
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
        self._prepared = False
        self._database_answers = True

    async def run(self, seconds: float | None = None) -> Tally:
        """Alternate drain and wait for a hint for `seconds`, or until cancelled. Outages are waited out."""
        ends_at = time.monotonic() + (float("inf") if seconds is None else seconds)
        total = Tally()
        while True:
            raise_if_cancelled()
            total.add(await self._drain_if_database_answers(ends_at))
            left = ends_at - time.monotonic()
            if left <= 0:
                return total
            await self._wait(min(left, LONGEST_WAIT))

    async def _drain_if_database_answers(self, ends_at: float) -> Tally:
        try:
            tally = await self.drain(ends_at)
        except Exception as error:
            if not is_outage(error):
                raise
            if self._database_answers:
                logger.warning("the database does not answer (%s): publishing goes on when it does", error)
            self._database_answers = False
            return Tally()
        self._database_answers = True
        return tally

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
        except RedisError as error:
            if not self._breaker.is_open:
                logger.warning("Redis does not answer (%s): events stay pending until it does", error)
            self._breaker.failed()
        return tally

    async def _drain(self, tally: Tally, ends_at: float) -> None:
        if not self._prepared:
            await prepare_partitions(self._database)
            self._prepared = True
        behind = await self._behind()
        while True:
            progressed = False
            for partition in await self._partitions_to_do(behind):
                ending = await self._pass(partition, tally, even_if_empty=partition in behind)
                behind.discard(partition)
                # Refused events now wait, so the next pass can offer the others.
                progressed |= ending in PROGRESS or ending is Ending.REFUSED
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
        return {p.partition for p in positions if is_behind(marks[p.partition], p.mark)}

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
            outcome = await self._offer(work, even_if_empty)
            if work is None or outcome is None:
                return Ending.NOTHING
            async with self._database.writing() as session:
                return await self._settle(session, work, outcome, tally)
        async with self._database.writing() as session:
            work = await self._take(session, partition)
            outcome = await self._offer(work, even_if_empty)
            if work is None or outcome is None:
                return Ending.NOTHING
            return await self._settle(session, work, outcome, tally)

    async def _take(self, session: Session, partition: int) -> Work | None:
        position = await PartitionRepository(session).take(partition)
        if position is None:
            return None
        rows = await RelayRepository(session).due(partition, now=self._clock(), limit=settings.OUTBOX_BATCH)
        messages, failures = encode_all(rows)
        return Work(position, messages, failures)

    async def _offer(self, work: Work | None, even_if_empty: bool) -> Outcome | None:
        """Offer the batch to Redis. None: there is nothing to write down."""
        if work is None or not (work.messages or work.failures or even_if_empty):
            return None
        position = work.position
        if not (work.messages or even_if_empty):
            return Outcome(Ending.NOTHING, position.mark, {}, work.failures)
        reply = await self._marks.publish(position.epoch, position.partition, position.mark, work.messages)
        ending, mark = judge(reply, position)
        if ending is Ending.RECOVERED:
            if not await self._marks.recover(position.epoch, position.partition, reply.mark, mark):
                return None  # the mark moved meanwhile; the next pass looks again
            entries = reply.map if mark.batch == reply.mark.batch else {}
            return Outcome(ending, mark, entries, work.failures)
        if ending is Ending.REFUSED:
            return Outcome(ending, mark, {}, work.failures + refused(work.messages, reply.map))
        return Outcome(ending, mark, reply.map if ending in PROGRESS else {}, work.failures)

    async def _settle(self, session: Session, work: Work, outcome: Outcome, tally: Tally) -> Ending:
        """Write down what Redis said. Nothing is stored where another relay moved the partition meanwhile."""
        if not await PartitionRepository(session).move(work.position, outcome.mark):
            return Ending.OVERTAKEN
        await self._apply(session, work.position, outcome, tally)
        for failure in outcome.failures:
            await self._fail(session, failure)
        tally.failed += len(outcome.failures)
        await session.commit()
        tally.passes += outcome.ending in PROGRESS
        return outcome.ending

    async def _apply(self, session: Session, position: Position, outcome: Outcome, tally: Tally) -> None:
        repository, number, batch = RelayRepository(session), position.partition, outcome.mark.batch
        if outcome.ending is Ending.RECOVERED:
            # The map is what Redis holds of its last batch; without it, that batch is what the database says it was.
            first_lost = batch if outcome.entries or batch == 0 else batch + 1
            reopened = await repository.reopen(number, since=first_lost, kept=outcome.entries)
            tally.recovered += reopened
            logger.warning("Redis lost %d events of partition %d: they are published again", reopened, number)
        elif outcome.ending in PROGRESS:
            count = await repository.settle(outcome.entries, batch=batch, now=self._clock())
            tally.published += count if outcome.ending is Ending.PUBLISHED else 0
            tally.repeated += count if outcome.ending is Ending.REPEATED else 0
        elif outcome.ending is Ending.DATABASE_OLDER:
            logger.error("partition %d stands still: the database is older than Redis (%s)", number, position.mark)

    async def _fail(self, session: Session, failure: Failure) -> None:
        attempts = failure.attempts + 1
        pause = min(FIRST_BACKOFF * 2**failure.attempts, LONGEST_BACKOFF) * random.uniform(0.5, 1.5)  # noqa: S311
        logger.warning("event %s was not published: %s", failure.event_id, failure.error)
        await RelayRepository(session).fail(
            failure.event_id,
            attempts=failure.attempts,
            error=failure.error,
            dead=attempts >= settings.OUTBOX_MAX_ATTEMPTS,
            retry_at=self._clock() + timedelta(seconds=pause),
        )

    async def _wait(self, seconds: float) -> None:
        try:
            await heartbeat.beat(self._streams, "worker-relay")  # also of a relay that Celery does not run
            await wait_for_hint(self._streams, seconds)
        except RedisError:
            await asyncio.sleep(seconds)  # without Redis there are no hints; the breaker says when to look again
