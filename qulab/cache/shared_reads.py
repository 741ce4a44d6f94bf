"""Reads of one event loop share round trips: what is asked for while one is under way goes together in the next.

A read is sent after it was asked for, never before: it sees whatever was deleted before it began.
"""

import asyncio
from typing import Any

from redis.asyncio import Redis

MOST_KEYS = 500  # of one MGET: a longer one would hold up every other client of Redis


class SharedReads:
    """GET while nothing is under way, MGET of all that queued meanwhile."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._under_way = False
        self._queue: dict[str, asyncio.Future[bytes | None]] = {}

    async def get(self, key: str) -> bytes | None:
        """The entry. Raises what the client raises."""
        if not self._under_way:
            self._under_way = True
            try:
                found: Any = await self._redis.get(key)
                return found  # type: ignore[no-any-return]
            finally:
                self._go_on()
        queued = self._queue.get(key)
        if queued is None:
            queued = self._queue[key] = asyncio.get_running_loop().create_future()
        # Shielded: the answer is also that of others who asked for the same key.
        return await asyncio.shield(queued)

    def _go_on(self) -> None:
        if self._queue:
            keys = list(self._queue)[:MOST_KEYS]
            batch = {key: self._queue.pop(key) for key in keys}
            self._task = asyncio.create_task(self._read(batch))
        else:
            self._under_way = False

    async def _read(self, batch: "dict[str, asyncio.Future[bytes | None]]") -> None:
        try:
            found: Any = await self._redis.mget(list(batch))
        except BaseException as error:
            for future in batch.values():
                _fail(future, error)
            if not isinstance(error, Exception):
                raise
        else:
            for future, entry in zip(batch.values(), found, strict=True):
                if not future.done():
                    future.set_result(entry)
        finally:
            self._go_on()


def _fail(future: "asyncio.Future[bytes | None]", error: BaseException) -> None:
    if future.done():
        return
    if isinstance(error, Exception):
        future.set_exception(error)
        future.exception()  # retrieved: whoever waited may have been cancelled
    else:
        future.cancel()
