"""A value, its spec, and a database of one row."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from qulab.cache.client import create_redis
from qulab.cache.read_through import Cache
from qulab.cache.spec import CacheSpec


class Thing(msgspec.Struct, frozen=True):
    version: int


SPEC = CacheSpec("thing", Thing, ttl=60, grace=10)


class Source:
    """Counts loads, and lets a test hold one back. Every id has the same row."""

    def __init__(self) -> None:
        self.version: int | None = 1
        self.loads = 0
        self.asked: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.reading = asyncio.Event()

    async def load(self) -> Thing | None:
        self.loads += 1
        return await self._read()

    async def load_many(self, ids: Sequence[str]) -> Mapping[str, Thing]:
        self.asked.append(list(ids))
        thing = await self._read()
        return {} if thing is None else dict.fromkeys(ids, thing)

    async def _read(self) -> Thing | None:
        version = self.version
        self.reading.set()
        await self.gate.wait()
        return None if version is None else Thing(version)


async def other_process(redis_url: str) -> Cache:
    """A cache that shares nothing with ours but Redis."""
    return Cache(create_redis(f"{redis_url.removesuffix('/0')}/1", timeout=5.0))
