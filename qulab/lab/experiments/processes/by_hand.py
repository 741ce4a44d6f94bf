"""The practical limit: asyncpg and a pipeline, with none of the promises.

Two such loops keep no order, and one that dies between pipeline and COMMIT publishes its batch again.
"""

import threading
import time
from typing import Any

import asyncpg
from redis.asyncio import Redis

TAKE = """
SELECT id, payload FROM domain_events WHERE status = 'pending' ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED
"""
MARK = "UPDATE domain_events SET status = 'published', published_at = now() WHERE id = ANY($1)"


class Worker:
    """`database` is what asyncpg connects with."""

    def __init__(
        self, *, stopped: threading.Event, database: dict[str, Any], redis: str, stream: str, batch: int
    ) -> None:
        self._database = database
        self._redis = Redis.from_url(redis)
        self._stream = stream
        self._batch = batch

    async def open(self) -> None:
        self._connection: Any = await asyncpg.connect(**self._database)
        await self._redis.ping()
        await self.drain()

    async def drain(self) -> dict[str, float]:
        moved, ended_at = 0, time.monotonic()
        while count := await self._step():
            moved, ended_at = moved + count, time.monotonic()
        return {"moved": moved, "ended_at": ended_at}

    async def _step(self) -> int:
        async with self._connection.transaction():
            rows = await self._connection.fetch(TAKE, self._batch)
            if rows:
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for row in rows:
                        pipeline.xadd(self._stream, {"id": row["id"], "payload": row["payload"]})
                    await pipeline.execute()
                await self._connection.execute(MARK, [row["id"] for row in rows])
        return len(rows)
