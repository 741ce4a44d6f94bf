"""aiocache as its documentation uses it: a decorator on the function that loads. It stores JSON by default."""

from typing import Any

import msgspec
from aiocache import Cache, cached, cached_stampede
from redis.asyncio.connection import parse_url

from qulab.lab.experiments.cache_contenders import TTL, Contender, Load


class Aiocache(Contender):
    prefix = "aiocache"
    decorator = cached

    def __init__(self, url: str) -> None:
        super().__init__(url)
        found = parse_url(url)

        @self.decorator(
            ttl=TTL,
            key_builder=lambda _read, id_, _load: self.key(id_),
            cache=Cache.REDIS,
            endpoint=found["host"],
            port=found.get("port", 6379),
            db=found.get("db", 0),
            password=found.get("password"),
        )
        async def read(id_: str, load: Load) -> Any:
            return msgspec.to_builtins(await load())

        self.read = read

    async def get(self, id_: str, load: Load) -> Any:
        return await self.read(id_, load)

    async def invalidate(self, id_: str) -> None:
        await self.read.cache.delete(self.key(id_))

    async def close(self) -> None:
        await self.read.cache.client.aclose()

    @classmethod
    def names(cls, id_: str) -> list[str]:
        return [cls.key(id_), f"{cls.key(id_)}-lock"]


class AiocacheRedLock(Aiocache):
    """What it offers against stampedes, with the lease that is its default."""

    prefix = "aiocache-lock"
    decorator = cached_stampede
