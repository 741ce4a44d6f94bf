"""The log of what relays did: kept in Redis, bounded, and only of drains that moved something."""

import time
from datetime import UTC, datetime

import msgspec
from redis.asyncio import Redis

from outbox.tally import Tally
from qulab.cache import keys

KEPT = 200  # lines


class Activity(msgspec.Struct, frozen=True):
    """One drain: numbers of events, its time in seconds."""

    at: datetime
    relay: str
    published: int
    repeated: int
    recovered: int
    failed: int
    passes: int
    seconds: float


async def note(streams: Redis, relay: str, tally: Tally) -> None:
    done = {name: getattr(tally, name) for name in Activity.__struct_fields__ if hasattr(tally, name)}
    line = Activity(at=datetime.fromtimestamp(time.time(), UTC), relay=relay, **done)
    async with streams.pipeline(transaction=False) as pipeline:
        pipeline.lpush(keys.ACTIVITY, msgspec.json.encode(line))
        pipeline.ltrim(keys.ACTIVITY, 0, KEPT - 1)
        await pipeline.execute()


async def recent(streams: Redis, limit: int = 20) -> list[Activity]:
    """The latest drains first."""
    lines = await streams.lrange(keys.ACTIVITY, 0, limit - 1)
    return [msgspec.json.decode(line, type=Activity) for line in lines]
