import pytest
from redis.asyncio import Redis

from outbox.relay import Relay
from qulab.db.engine import Database


@pytest.fixture
def relay(database: Database, streams_client: Redis) -> Relay:
    return Relay(database, streams_client, name="test")
