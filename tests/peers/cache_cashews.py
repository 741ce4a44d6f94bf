"""cashews as its README uses it: the decorator on the function that loads. It stores pickles."""

from typing import Any

from cashews import Cache

from qulab.lab.experiments.cache_contenders import TTL, Contender, Load


class Cashews(Contender):
    prefix = "cashews"
    lock = False

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.cache = Cache()
        self.cache.setup(url)

        @self.cache(ttl=TTL, key=self.key("{id_}"), lock=self.lock)
        async def read(id_: str, load: Load) -> Any:
            return await load()

        self.read = read

    async def get(self, id_: str, load: Load) -> Any:
        return await self.read(id_, load)

    async def invalidate(self, id_: str) -> None:
        await self.cache.delete(self.key(id_))

    async def close(self) -> None:
        await self.cache.close()

    @classmethod
    def names(cls, id_: str) -> list[str]:
        return [cls.key(id_), f"lock:{cls.key(id_)}"]


class CashewsLocked(Cashews):
    """What the README offers against stampedes."""

    prefix = "cashews-lock"
    lock = True
