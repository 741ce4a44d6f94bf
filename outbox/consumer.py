"""A group sees each event at least once, and its inbox makes the effect in the database happen once.

An entry is acknowledged only after its effect is committed. What a dead consumer left is taken over; what fails
again and again goes to the group's dead-letter stream, and the rest flows on.
"""

import asyncio
import logging
import os
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from outbox.envelope import FIELD, Envelope, decode
from outbox.repositories import InboxRepository
from qulab.cache import heartbeat, keys
from qulab.db.engine import Database
from qulab.db.errors import is_outage
from qulab.db.loop import raise_if_cancelled
from qulab.db.session import Session

logger = logging.getLogger(__name__)

BLOCK = 500  # milliseconds one read waits for entries; below the client's timeout
READ_COUNT = 100  # entries in one read
TAKE_OVER_AFTER = 15_000  # milliseconds without an acknowledgement
MOST_FAILURES = 5  # of a handler, before the event goes to the dead letters
RECONNECT = 0.5  # seconds

Handler = Callable[[Envelope], Awaitable[object]]
TransactionalHandler = Callable[[Session, Envelope], Awaitable[object]]


class TryAgain(Exception):
    """What a handler needs is away. The event stays pending and is delivered again."""


_handlers: dict[str, list[Handler]] = defaultdict(list)
_transactional: dict[str, list[TransactionalHandler]] = defaultdict(list)


def handles(*event_types: str) -> Callable[[Handler], Handler]:
    """Register a handler with an effect outside the database. It runs at every delivery: repeating must be harmless."""

    def register(handler: Handler) -> Handler:
        for event_type in event_types:
            _handlers[event_type].append(handler)
        return handler

    return register


def handles_in_transaction(*event_types: str) -> Callable[[TransactionalHandler], TransactionalHandler]:
    """Register a handler that writes, without a commit, through a session that it shares with the inbox."""

    def register(handler: TransactionalHandler) -> TransactionalHandler:
        for event_type in event_types:
            _transactional[event_type].append(handler)
        return handler

    return register


class Consumer:
    """One member of a consumer group."""

    def __init__(
        self,
        database: Database,
        streams: Redis,
        group: str,
        *,
        name: str | None = None,
        take_over_after: int = TAKE_OVER_AFTER,
    ) -> None:
        self._database = database
        self._redis = streams
        self._group = group
        self._name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._take_over_after = take_over_after
        self._joined: set[str] = set()

    async def run(self) -> None:
        """Consume until cancelled. An outage of Redis or the database is waited out."""
        answered = True
        while True:
            raise_if_cancelled()
            try:
                await self.step()
                if not answered:
                    logger.info("consumer %s goes on", self._group)
                answered = True
            except Exception as error:
                if not (isinstance(error, RedisError) or is_outage(error)):
                    raise
                if answered:
                    logger.warning("consumer %s waits: %s", self._group, error)
                answered = False
                self._joined.clear()  # Redis may come back without the groups
                await asyncio.sleep(RECONNECT)

    async def step(self) -> int:
        """Read and handle what is there, waiting at most BLOCK; returns the number of entries handled."""
        await heartbeat.beat(self._redis, "consumer")
        await self._join()
        if not self._joined:
            await asyncio.sleep(BLOCK / 1000)
            return 0
        handled = 0
        for stream in sorted(self._joined):
            handled += await self._take_over(stream)
        fresh: Any = await self._redis.xreadgroup(
            self._group, self._name, dict.fromkeys(sorted(self._joined), ">"), count=READ_COUNT, block=BLOCK
        )
        for stream, entries in fresh:
            for entry_id, fields in entries:
                handled += await self._handle(stream, entry_id, fields)
        return handled

    async def _join(self) -> None:
        """Join the group of every stream, from its first entry where the group is new."""
        streams: Any = await self._redis.smembers(keys.STREAMS)
        for stream in streams - self._joined:
            try:
                await self._redis.xgroup_create(stream, self._group, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
            self._joined.add(stream)

    async def _take_over(self, stream: str) -> int:
        """Handle what another consumer read and did not acknowledge in time."""
        stale: Any = await self._redis.xpending_range(
            stream, self._group, min="-", max="+", count=READ_COUNT, idle=self._take_over_after
        )
        handled = 0
        for pending in stale:
            entry_id = pending["message_id"]
            claimed: Any = await self._redis.xclaim(
                stream, self._group, self._name, min_idle_time=self._take_over_after, message_ids=[entry_id]
            )
            for _, fields in claimed:
                handled += await self._handle(stream, entry_id, fields)
        return handled

    async def _handle(self, stream: str, entry_id: str, fields: dict[str, str]) -> bool:
        """Handle one entry and acknowledge it. What fails stays pending, to be delivered again."""
        try:
            envelope = decode(fields[FIELD])
        except (KeyError, msgspec.DecodeError) as error:
            logger.error("entry %s of %s is no event (%s): moved to the dead letters", entry_id, stream, error)
            await self._bury(stream, entry_id, fields)
            return False
        try:
            await self._apply(envelope)
        except TryAgain as reason:
            logger.warning("event %s (%s) will be delivered again: %s", envelope.id, envelope.type, reason)
            return False
        except Exception as error:
            if isinstance(error, RedisError) or is_outage(error):
                raise  # not the event's fault: `run` waits, and no failure is counted
            await self._note_failure(stream, entry_id, fields, envelope)
            return False
        await self._acknowledge(stream, entry_id)
        return True

    async def _note_failure(self, stream: str, entry_id: str, fields: dict[str, str], envelope: Envelope) -> None:
        """Only failures of a handler count: an entry delivered often, to consumers that died, is not poison."""
        failures = await self._redis.hincrby(keys.failures(self._group), f"{stream}/{entry_id}", 1)
        last = failures >= MOST_FAILURES
        what = "moved to the dead letters" if last else "it will be delivered again"
        logger.exception("event %s (%s) failed %d times; %s", envelope.id, envelope.type, failures, what)
        if last:
            await self._bury(stream, entry_id, fields)

    async def _acknowledge(self, stream: str, entry_id: str) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.xack(stream, self._group, entry_id)
            pipeline.hdel(keys.failures(self._group), f"{stream}/{entry_id}")
            await pipeline.execute()

    async def _apply(self, envelope: Envelope) -> None:
        for handler in _handlers[envelope.type]:
            await handler(envelope)
        async with self._database.writing() as session:
            if not await InboxRepository(session).enter(self._group, envelope.id, envelope.type):
                return
            for effect in _transactional[envelope.type]:
                await effect(session, envelope)
            await session.commit()

    async def _bury(self, stream: str, entry_id: str, fields: dict[str, str]) -> None:
        origin: dict[Any, Any] = {"stream": stream, "entry": entry_id, **fields}
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.xadd(keys.dead_letters(self._group), origin)
            pipeline.xack(stream, self._group, entry_id)
            await pipeline.execute()
