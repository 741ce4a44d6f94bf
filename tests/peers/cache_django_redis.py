"""django-redis by the methods of Django's cache. Django's `aget_or_set` cannot await a load: look, load and store."""

import asyncio
from typing import Any

from django_redis.cache import RedisCache

from qulab.lab.experiments.cache_contenders import TTL, Contender, Load


class DjangoRedis(Contender):
    prefix = "django-redis"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.cache: Any = RedisCache(url, {})

    async def get(self, id_: str, load: Load) -> Any:
        value = await self.cache.aget(self.key(id_))
        if value is None:
            value = await load()
            await self.cache.aset(self.key(id_), value, TTL)
        return value

    async def invalidate(self, id_: str) -> None:
        await self.cache.adelete(self.key(id_))

    async def close(self) -> None:
        self.cache.client.get_client().connection_pool.disconnect()

    @classmethod
    def names(cls, id_: str) -> list[str]:
        return [f":1:{cls.key(id_)}", f":1:{cls.key(id_)}:lock"]


class DjangoRedisLocked(DjangoRedis):
    """With the lock of its README, which is for threads: the whole read is in one."""

    prefix = "django-redis-lock"

    async def get(self, id_: str, load: Load) -> Any:
        return await asyncio.to_thread(self._get, id_, load, asyncio.get_running_loop())

    def _get(self, id_: str, load: Load, loop: asyncio.AbstractEventLoop) -> Any:
        value = self.cache.get(self.key(id_))
        if value is not None:
            return value
        with self.cache.lock(f"{self.key(id_)}:lock"):
            value = self.cache.get(self.key(id_))
            if value is None:
                value = asyncio.run_coroutine_threadsafe(load(), loop).result()
                self.cache.set(self.key(id_), value, TTL)
            return value
