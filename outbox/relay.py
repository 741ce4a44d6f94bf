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
from outbox.backlog import Lost, RelayRepository
from outbox.batch import Failure, encode_all, refused
from outbox.marks import Marks, Message
from outbox.partitions import prepare_partitions
from outbox.positions import Mark, PartitionRepository, Position
from outbox.recovery import begin_recovery
from outbox.refill import refill
from outbox.tally import Tally
from outbox.verdict import PROGRESS, Ending, first_lost, is_behind, judge
from outbox.wake import wait_for_hint
from qulab.cache import heartbeat
from qulab.cache.breaker import CircuitBreaker
from qulab.db.base import utcnow
from qulab.db.engine import Database
from qulab.db.errors import is_outage
from qulab.db.loop import raise_if_cancelled
from qulab.db.session import Session

logger = logging.getLogger(__name__)

PASSES_AT_ONCE = 2  # of one relay, on PostgreSQL
MOST_ON_SQLITE = 200  # events in a pass: while it writes them down, every other writer waits
LONGEST_WAIT = 0.5  # seconds for a hint, before the relay looks by itself
FIRST_BACKOFF = 1.0  # seconds, doubled by each failed attempt of one event
LONGEST_BACKOFF = 300.0


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
        positions = await self._positions()
        behind, gone = await self._losses(positions)
        refilled = False
        while True:
            endings = await self._passes(_to_do(positions, behind), behind, tally, ends_at)
            behind.clear()
            if (gone or Ending.GONE in endings) and not refilled:
                tally.recovered += await refill(self._database, self._marks)
                refilled = True
            # Refused events now wait, so the next pass can offer the others.
            elif endings.isdisjoint(PROGRESS | {Ending.REFUSED}):
                return
            if time.monotonic() >= ends_at:
                return
            positions = await self._positions()

    async def _losses(self, positions: list[Position]) -> tuple[set[int], bool]:
        """Partitions whose mark is lower than their batch number, and whether a stream is missing: also when idle.

        The batch numbers were read before: a mark only grows meanwhile, so a batch under way is not taken for a loss.
        """
        look = await self._marks.look({position.partition: position.epoch for position in positions})
        return {p.partition for p in positions if is_behind(look.marks[p.partition], p.mark)}, bool(look.gone)

    async def _passes(self, todo: list[int], behind: set[int], tally: Tally, ends_at: float) -> set[Ending]:
        """One pass for each of these partitions, several at a time: while one waits for a server, another encodes."""
        random.shuffle(todo)  # so that several relays do not queue at the same partition
        endings = set[Ending]()

        async def work() -> None:
            try:
                while todo and not (endings and time.monotonic() >= ends_at):
                    partition = todo.pop()
                    endings.add(await self._pass(partition, tally, even_if_empty=partition in behind))
            except BaseException:
                todo.clear()  # where one pass finds an outage, the others need not
                raise

        at_once = 1 if self._database.dialect == "sqlite" else PASSES_AT_ONCE
        ended = await asyncio.gather(*(work() for _ in range(min(at_once, len(todo)))), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error
        return endings

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
        limit = settings.OUTBOX_BATCH
        if self._database.dialect == "sqlite":
            limit = min(limit, MOST_ON_SQLITE)
        rows = await RelayRepository(session).due(partition, now=self._clock(), limit=limit)
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
            kept = await begin_recovery(self._database, self._marks, position, reply, mark)
            return None if kept is None else Outcome(ending, mark, kept, work.failures)
        if ending is Ending.REFUSED:
            return Outcome(ending, mark, {}, work.failures + refused(work.messages, reply.map))
        return Outcome(ending, mark, reply.map if ending in PROGRESS else {}, work.failures)

    async def _settle(self, session: Session, work: Work, outcome: Outcome, tally: Tally) -> Ending:
        """Write down what Redis said. Nothing is stored where another relay moved the partition meanwhile."""
        partitions, counted = PartitionRepository(session), {"failed": len(outcome.failures)}
        if outcome.ending in (Ending.PUBLISHED, Ending.REPEATED):
            counted[outcome.ending] = len(outcome.entries)
        # First of all: of two relays, one must find at once that it came too late.
        if not await partitions.move(work.position, outcome.mark, **counted):
            tally.overtaken += 1
            return Ending.OVERTAKEN
        done = await self._apply(session, work.position, outcome)
        if done.recovered:
            await partitions.count(work.position.partition, recovered=done.recovered)
        for failure in outcome.failures:
            await self._fail(session, failure)
        if outcome.failures:
            first = outcome.failures[0]
            told = (done.failed, first.event_id, first.trace, first.error)
            logger.warning("%d events were not published; %s%s: %s", *told)
        await session.commit()
        tally.add(done)
        return outcome.ending

    async def _apply(self, session: Session, position: Position, outcome: Outcome) -> Tally:
        repository, number, batch = RelayRepository(session), position.partition, outcome.mark.batch
        done = Tally(failed=len(outcome.failures), passes=int(outcome.ending in PROGRESS))
        if outcome.ending is Ending.RECOVERED:
            lost = Lost(number, first_lost(outcome.mark, outcome.entries), outcome.entries)
            done.recovered = await repository.reopen(lost)
            logger.warning("Redis lost %d events of partition %d: they are published again", done.recovered, number)
        elif outcome.ending in PROGRESS:
            count = await repository.settle(outcome.entries, batch=batch, now=self._clock())
            done.published = count if outcome.ending is Ending.PUBLISHED else 0
            done.repeated = count if outcome.ending is Ending.REPEATED else 0
        elif outcome.ending is Ending.DATABASE_OLDER:
            logger.error("partition %d stands still: the database is older than Redis (%s)", number, position.mark)
        return done

    async def _fail(self, session: Session, failure: Failure) -> None:
        attempts = failure.attempts + 1
        pause = min(FIRST_BACKOFF * 2**failure.attempts, LONGEST_BACKOFF) * random.uniform(0.5, 1.5)  # noqa: S311
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


def _to_do(positions: list[Position], behind: set[int]) -> list[int]:
    return [p.partition for p in positions if not p.paused and (p.has_pending or p.partition in behind)]
