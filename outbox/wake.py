"""A hint after a commit spares the event the wait for the next tick; a lost hint costs one tick and nothing else.

No commit waits for its hint, and commits that follow each other closely share one: it goes out after all of them.
"""

import asyncio

from redis.asyncio import Redis
from redis.exceptions import RedisError

from qulab.cache import keys
from qulab.cache.breaker import CircuitBreaker
from qulab.cache.client import get_streams
from qulab.db.loop import PerLoop

MOST_HINTS = 16  # hints that may queue while every relay is busy


class Hints:
    """The hints of one event loop: one push under way at a time, and one more for all that was committed meanwhile."""

    def __init__(self) -> None:
        # A Redis that hangs must not be asked after every commit: after a failure, hints are left out for a while.
        self._breaker = CircuitBreaker(longest=5.0)
        self._pushing: asyncio.Task[None] | None = None
        self._wanted = False

    def want(self) -> None:
        self._wanted = True
        if self._pushing is None:
            self._pushing = asyncio.create_task(self._push())

    async def sent(self) -> None:
        """Wait until every hint that was wanted is out, or was given up."""
        if self._pushing is not None:
            await asyncio.wait([self._pushing])

    async def _push(self) -> None:
        try:
            while self._wanted:
                self._wanted = False
                if self._breaker.allows():
                    await self._push_one()
        finally:
            self._pushing = None

    async def _push_one(self) -> None:
        try:
            await push_hint(get_streams())
        except (RedisError, OSError):
            self._breaker.failed()  # the tick finds the event
        else:
            self._breaker.succeeded()


hints: PerLoop[Hints] = PerLoop(Hints, Hints.sent)


async def wake_relay() -> None:
    """Say that there is something to publish; a hook after a commit."""
    hints.get().want()


async def push_hint(streams: Redis) -> None:
    async with streams.pipeline(transaction=False) as pipeline:
        pipeline.lpush(keys.WAKE, 1)
        pipeline.ltrim(keys.WAKE, 0, MOST_HINTS - 1)
        await pipeline.execute()


async def wait_for_hint(streams: Redis, seconds: float) -> bool:
    """Wait at most `seconds` for a hint. Redis errors are the caller's to judge."""
    return await streams.blpop([keys.WAKE], timeout=seconds) is not None
