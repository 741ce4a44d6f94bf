"""dogpile.cache as its documentation configures it for Redis and several processes. It is synchronous: in threads."""

import asyncio
from typing import Any

from dogpile.cache import make_region

from qulab.lab.experiments.cache_contenders import TTL, Contender, Load


class Dogpile(Contender):
    prefix = "dogpile"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.region = make_region().configure(
            "dogpile.cache.redis",
            expiration_time=TTL,
            arguments={
                "url": url,
                "redis_expiration_time": 2 * TTL,
                "distributed_lock": True,
                "thread_local_lock": False,
            },
        )

    async def get(self, id_: str, load: Load) -> Any:
        loop = asyncio.get_running_loop()

        def create() -> Any:
            return asyncio.run_coroutine_threadsafe(load(), loop).result()

        return await asyncio.to_thread(self.region.get_or_create, self.key(id_), create)

    async def invalidate(self, id_: str) -> None:
        await asyncio.to_thread(self.region.delete, self.key(id_))

    async def close(self) -> None:
        self.region.backend.writer_client.close()

    @classmethod
    def names(cls, id_: str) -> list[str]:
        return [cls.key(id_), f"_lock{cls.key(id_)}"]
