"""The product's processes work on the database of their environment and on the scratch Redis that they are given."""

import threading
from typing import Any

from outbox.positions import PartitionRepository
from qulab.cache.client import create_redis, streams
from qulab.db.engine import get_database
from qulab.lab.experiments import REDIS_TIMEOUT

Answer = dict[str, Any]


class Member:
    """A process with a Database, and with a client of the scratch Redis, which `get_streams()` returns here."""

    def __init__(self, *, stopped: threading.Event, redis: str) -> None:
        self.stopped = stopped
        self._redis = redis

    async def open(self) -> None:
        """Connect, so that no measured moment does."""
        self.streams = create_redis(self._redis, timeout=REDIS_TIMEOUT, text=True)
        streams.lend(self.streams)
        await self.streams.ping()
        self.database = get_database()
        async with self.database.reading() as session:
            await PartitionRepository(session).positions()
