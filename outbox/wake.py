"""A hint after a commit spares the event the wait for the next tick; a lost hint costs one tick and nothing else."""

from redis.asyncio import Redis
from redis.exceptions import RedisError

from qulab.cache import keys
from qulab.cache.breaker import CircuitBreaker
from qulab.cache.client import get_streams
from qulab.db.loop import PerLoop

MOST_HINTS = 16  # hints that may queue while every relay is busy


# A Redis that hangs must not slow down every commit: after a failure, hints are left out for a while.
_breakers: PerLoop[CircuitBreaker] = PerLoop(lambda: CircuitBreaker(longest=5.0))


async def wake_relay() -> None:
    breaker = _breakers.get()
    if not breaker.allows():
        return
    try:
        await push_hint(get_streams())
    except (RedisError, OSError):
        breaker.failed()  # the tick finds the event
    else:
        breaker.succeeded()


async def push_hint(streams: Redis) -> None:
    async with streams.pipeline(transaction=False) as pipeline:
        pipeline.lpush(keys.WAKE, 1)
        pipeline.ltrim(keys.WAKE, 0, MOST_HINTS - 1)
        await pipeline.execute()


async def wait_for_hint(streams: Redis, seconds: float) -> bool:
    """Wait at most `seconds` for a hint. Redis errors are the caller's to judge."""
    return await streams.blpop([keys.WAKE], timeout=seconds) is not None
