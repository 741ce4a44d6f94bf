"""Every contender reads through the same Redis, with the same value; a library does it as its documentation says.

Each keeps its keys apart from those of the others, and names them, so that they can be deleted from outside.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
from redis.asyncio import Redis

from accounts.snapshots import UserSnapshot
from qulab.cache import keys
from qulab.cache.client import CACHE_CONNECTIONS, CACHE_TIMEOUT, create_redis
from qulab.cache.read_through import Cache
from qulab.cache.spec import CacheSpec
from qulab.lab.experiments import REDIS_TIMEOUT

TTL = 3600  # seconds
SPEC = CacheSpec("contest", UserSnapshot, ttl=TTL)
BORN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

Load = Callable[[], Awaitable[UserSnapshot]]


def snapshot(version: int = 1) -> UserSnapshot:
    """What is cached: a profile of usual size."""
    return UserSnapshot(
        id="0198c0de-0000-7000-8000-000000000001",
        email="ada.lovelace@example.com",
        name="Ada Lovelace",
        occupation_code="15-1252",
        education_level="bachelor",
        years_experience=12.5,
        created_at=BORN,
        updated_at=BORN,
        version=version,
    )


def version_of(value: Any) -> int:
    """Of what a contender returned: the snapshot, or its fields as JSON has them."""
    return int(value["version"] if isinstance(value, dict) else value.version)


class Contender(ABC):
    """`prefix` stands before its keys. It belongs to one event loop, and makes its connections when it needs them."""

    prefix: ClassVar[str]

    def __init__(self, url: str) -> None:
        self.url = url

    @abstractmethod
    async def get(self, id_: str, load: Load) -> Any:
        """Read through: what is cached, else what `load` brings, stored."""

    @abstractmethod
    async def invalidate(self, id_: str) -> None: ...

    @abstractmethod
    async def close(self) -> None:
        """End its connections."""

    @classmethod
    def key(cls, id_: str) -> str:
        return f"contest:{cls.prefix}:{id_}"

    @classmethod
    def names(cls, id_: str) -> list[str]:
        """All keys that it may leave in Redis for `id_`."""
        return [cls.key(id_)]


class Ours(Contender):
    """The product's cache. Its timeout is long here: a busy machine is no outage."""

    prefix = "ours"
    timeout = REDIS_TIMEOUT

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.cache = Cache(create_redis(url, timeout=self.timeout, max_connections=CACHE_CONNECTIONS))

    async def get(self, id_: str, load: Load) -> Any:
        return await self.cache.get(SPEC, id_, load)

    async def invalidate(self, id_: str) -> None:
        await self.cache.invalidate(SPEC.key(id_))

    async def close(self) -> None:
        await self.cache.close()

    @classmethod
    def names(cls, id_: str) -> list[str]:
        return [SPEC.key(id_), keys.lease(SPEC.key(id_))]


class OursAsServed(Ours):
    """With the timeout that the product has."""

    timeout = CACHE_TIMEOUT


class RedisPy(Contender):
    """The client alone, with its defaults: GET and json.loads, SET after a miss."""

    prefix = "redis-py"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.redis = Redis.from_url(url)

    async def get(self, id_: str, load: Load) -> Any:
        found = await self.redis.get(self.key(id_))
        if found is not None:
            return json.loads(found)
        value = msgspec.to_builtins(await load())
        await self.redis.set(self.key(id_), json.dumps(value), ex=TTL)
        return value

    async def invalidate(self, id_: str) -> None:
        await self.redis.delete(self.key(id_))

    async def close(self) -> None:
        await self.redis.aclose()
