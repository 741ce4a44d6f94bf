"""A process that works says so in Redis; silence for longer than its key lives is how a dead one is told."""

import time
from collections.abc import Mapping

from redis.asyncio import Redis

from qulab.cache import keys

PROCESSES = ("worker-relay", "worker-lab", "beat", "consumer")
LIFETIME = 10  # seconds; a worker says so every two


def written(name: str) -> tuple[str, str]:
    """The key and the value of a heartbeat now: the Unix time in seconds. Set it with LIFETIME."""
    return keys.alive(name), repr(time.time())


async def beat(streams: Redis, name: str) -> None:
    key, value = written(name)
    await streams.set(key, value, ex=LIFETIME)


async def ages(streams: Redis) -> Mapping[str, float | None]:
    """Seconds since each process was last heard; None for one that was not."""
    values = await streams.mget([keys.alive(name) for name in PROCESSES])
    now = time.time()
    return {
        name: None if value is None else max(0.0, now - float(value))
        for name, value in zip(PROCESSES, values, strict=True)
    }
