from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from outbox.relay import Relay
from qulab.cache.client import create_redis, streams
from qulab.db.engine import Database


@pytest.fixture
def relay(database: Database, streams_client: Redis) -> Relay:
    return Relay(database, streams_client, name="test")


@pytest.fixture
async def away() -> AsyncIterator[Redis]:
    """A Redis that is away, as `get_streams()` finds it."""
    redis = create_redis("redis://127.0.0.1:1/0", timeout=0.2, text=True)
    before = streams.lend(redis)
    yield redis
    streams.lend(before)
    await redis.aclose()
