"""One run at a time writes into the scratch Redis, and its keys go with it: those of a killed run with the next one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from redis.exceptions import LockNotOwnedError

from qulab.lab.experiments import Busy
from qulab.lab.experiments.beside import beside

LOCK = "bench:lock"
TO_DELETE = "bench:keys"  # the names of all keys that the present run writes
HELD = 60.0  # seconds after which the claim of a run that was killed is free again


@asynccontextmanager
async def claimed(redis: Redis, names: Sequence[str], *, seconds: float) -> AsyncIterator[Lock]:
    """Hold the place for at most `seconds`, and delete the keys `names` at its end. Raises Busy when it is taken."""
    lock = redis.lock(LOCK, timeout=seconds)
    if not await lock.acquire(blocking=False):
        raise Busy
    try:
        await _delete_keys(redis)
        await also(redis, names)
        yield lock
    finally:
        await _delete_keys(redis)
        with suppress(LockNotOwnedError):  # it took longer than `seconds`: the place may be another's by now
            await lock.release()


async def also(redis: Redis, names: Sequence[str]) -> None:
    """Delete these keys, too, at the end of the run that holds the place."""
    await redis.sadd(TO_DELETE, *names)


async def keep(lock: Lock, seconds: float) -> None:
    """Hold the place until cancelled; a run that is killed gives it back after `seconds`."""
    while True:
        await asyncio.sleep(seconds / 4)
        await lock.extend(seconds, replace_ttl=True)


@asynccontextmanager
async def held(redis: Redis, names: Sequence[str]) -> AsyncIterator[None]:
    """The same for as long as the block takes."""
    async with claimed(redis, names, seconds=HELD) as lock, beside(keep(lock, HELD)):
        yield


async def _delete_keys(redis: Redis) -> None:
    names = await redis.smembers(TO_DELETE)
    await redis.delete(TO_DELETE, *names)
