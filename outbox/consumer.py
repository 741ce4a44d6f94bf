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

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from outbox.envelope import FIELD, Envelope, decode
from outbox.groups import Entry, Member
from outbox.repositories import InboxRepository
from qulab import trace
from qulab.cache import heartbeat
from qulab.db.engine import Database
from qulab.db.errors import is_outage
from qulab.db.loop import raise_if_cancelled
from qulab.db.session import Session

logger = logging.getLogger(__name__)

BLOCK = 500  # milliseconds one read waits for entries; below the client's timeout
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
        name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._member = Member(streams, group, name, take_over_after=take_over_after)

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
                self._member.forget()  # Redis may come back without the groups
                await asyncio.sleep(RECONNECT)

    async def step(self) -> int:
        """Read and handle what is there, waiting at most BLOCK; returns the number of entries handled."""
        await heartbeat.beat(self._redis, "consumer")
        await self._member.join()
        if not self._member.streams:
            await asyncio.sleep(BLOCK / 1000)
            return 0
        handled = 0
        for stream in self._member.streams:
            handled += await self._handle_all(await self._member.take_over(stream))
        fresh = await self._member.read()
        if not (fresh or handled) and await self._member.wait(BLOCK):
            fresh = await self._member.read()
        return handled + await self._handle_all(fresh)

    async def _handle_all(self, entries: list[Entry]) -> int:
        return sum([await self._handle(entry) for entry in entries])

    async def _handle(self, entry: Entry) -> bool:
        """Handle one entry and acknowledge it. What fails stays pending, to be delivered again."""
        try:
            envelope = decode(entry.fields[FIELD])
        except (KeyError, msgspec.DecodeError) as error:
            logger.error("entry %s of %s is no event (%s): moved to the dead letters", entry.id, entry.stream, error)
            await self._member.bury(entry)
            return False
        try:
            with trace.within(envelope.traceparent):
                await self._apply(envelope)
        except TryAgain as reason:
            logger.warning("%s will be delivered again: %s", _named(envelope), reason)
            return False
        except Exception as error:
            if isinstance(error, RedisError) or is_outage(error):
                raise  # not the event's fault: `run` waits, and no failure is counted
            await self._note_failure(entry, envelope)
            return False
        await self._member.acknowledge(entry)
        return True

    async def _note_failure(self, entry: Entry, envelope: Envelope) -> None:
        """Only failures of a handler count: an entry delivered often, to consumers that died, is not poison."""
        failures = await self._member.count_failure(entry)
        last = failures >= MOST_FAILURES
        what = "moved to the dead letters" if last else "it will be delivered again"
        logger.exception("%s failed %d times; %s", _named(envelope), failures, what)
        if last:
            await self._member.bury(entry)

    async def _apply(self, envelope: Envelope) -> None:
        for handler in _handlers[envelope.type]:
            await handler(envelope)
        async with self._database.writing() as session:
            if not await InboxRepository(session).enter(self._group, envelope.id, envelope.type):
                return
            for effect in _transactional[envelope.type]:
                await effect(session, envelope)
            await session.commit()


def _named(envelope: Envelope) -> str:
    return f"event {envelope.id} ({envelope.type}{trace.named(envelope.traceparent)})"
