"""faststream-outbox relays to a Redis stream as its guide does it: a publisher stacked on a subscriber.

Its knobs are set as its page on performance says for many rows and handlers that may repeat: deletes in batches.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Mapping
from typing import Any

from faststream.redis import RedisBroker
from faststream_outbox import OutboxBroker, make_outbox_table
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from tests.peers.payloads import payload_of

QUEUE = "events"
LOOK = 0.05  # seconds between two looks whether anything is left
AT_ONCE = 500  # events in one publish_batch
WORKERS = 4
MARKED = {"acked"}

metadata = MetaData()
outbox_table = make_outbox_table(metadata, table_name="outbox")


class Worker:
    """`batch` is what is fetched, and deleted, in one statement."""

    def __init__(self, *, stopped: threading.Event, redis: str, stream: str, batch: int) -> None:
        self.engine = create_async_engine(os.environ["PEER_DATABASE_URL"], pool_size=10)
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        quiet = logging.getLogger("peer")
        quiet.setLevel(logging.WARNING)
        self.redis = RedisBroker(redis, logger=quiet)
        self.outbox = OutboxBroker(self.engine, outbox_table=outbox_table, metrics_recorder=self._record, logger=quiet)
        self.moved, self.ended_at = 0, 0.0

        @self.redis.publisher(stream=stream)
        @self.outbox.subscriber(QUEUE, max_workers=WORKERS, fetch_batch_size=batch, terminal_flush_batch_size=batch)
        async def relay(body: dict[str, Any]) -> dict[str, Any]:
            return body

    def _record(self, event: str, _tags: Mapping[str, Any]) -> None:
        if event in MARKED:  # told when the row is deleted
            self.moved += 1
            self.ended_at = time.monotonic()

    async def open(self) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(1)"))  # several processes begin at once
            await connection.run_sync(metadata.create_all)
        await self.redis.connect()

    async def fill(self, *, events: int) -> None:
        async with self.sessions() as session, session.begin():
            await session.execute(text("TRUNCATE outbox"))
            for first in range(0, events, AT_ONCE):
                bodies = [payload_of(number) for number in range(first, min(first + AT_ONCE, events))]
                await self.outbox.publish_batch(*bodies, queue=QUEUE, session=session)
        async with self.sessions() as session, session.begin():
            await session.execute(text("ANALYZE outbox"))

    async def drain(self) -> dict[str, float]:
        """Its connections to the database are made meanwhile, but for those of the pool: some milliseconds."""
        self.moved = 0
        await self.outbox.start()
        try:
            while await self._is_left():
                await asyncio.sleep(LOOK)
        finally:
            await self.outbox.stop()
        return {"moved": self.moved, "ended_at": self.ended_at}

    async def _is_left(self) -> bool:
        async with self.sessions() as session:
            return bool(await session.scalar(text("SELECT EXISTS (SELECT 1 FROM outbox)")))
