"""Reads of one event loop share round trips: what is asked for while one is under way goes together in the next.

A read is sent after it was asked for, never before: it sees whatever was deleted before it began.
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from redis.asyncio import Redis

Answer: TypeAlias = "asyncio.Future[bytes | None]"

MOST_KEYS = 500  # of one MGET: a longer one would hold up every other client of Redis


class SharedReads:
    """GET while nothing is under way, MGET of all that queued meanwhile."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._under_way = False
        self._queue: dict[str, list[Answer]] = {}

    async def get(self, key: str) -> bytes | None:
        """The entry. Raises what the client raises."""
        if not self._under_way:
            self._under_way = True
            try:
                found: Any = await self._redis.get(key)
                return found  # type: ignore[no-any-return]
            finally:
                self._go_on()
        # A future for each reader, though they share the read: one that is cancelled takes nothing from the others.
        answer: Answer = asyncio.get_running_loop().create_future()
        self._queue.setdefault(key, []).append(answer)
        return await answer

    def _go_on(self) -> None:
        if self._queue:
            batch = {key: self._queue.pop(key) for key in list(self._queue)[:MOST_KEYS]}
            self._task = asyncio.create_task(self._read(batch))
        else:
            self._under_way = False

    async def _read(self, batch: dict[str, list[Answer]]) -> None:
        try:
            found: Any = await self._redis.mget(list(batch))
        except BaseException as error:
            for answer in _waiting(batch.values()):
                _fail(answer, error)
            if not isinstance(error, Exception):
                raise
        else:
            for answers, entry in zip(batch.values(), found, strict=True):
                for answer in _waiting([answers]):
                    answer.set_result(entry)
        finally:
            self._go_on()


def _waiting(batch: Iterable[list[Answer]]) -> Iterator[Answer]:
    """Those whose readers were not cancelled."""
    return (answer for answers in batch for answer in answers if not answer.done())


def _fail(answer: Answer, error: BaseException) -> None:
    if isinstance(error, Exception):
        answer.set_exception(error)
    else:
        answer.cancel()
