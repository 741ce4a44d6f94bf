"""The cache's keys in Redis: an entry is filled only while the lease stands under which it was loaded.

Any call raises one of AWAY where Redis does not answer; nothing here decides what to do without it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from qulab.cache import keys
from qulab.cache.shared_reads import MOST_KEYS, SharedReads
from qulab.cache.spec import HEAD

AWAY = (RedisError, OSError, asyncio.TimeoutError)

# KEYS: entry, lease. ARGV: token, lease in ms. The entry first: it may have been filled since this reader looked.
TAKE_LEASE = """
local entry = redis.call('GET', KEYS[1])
if entry then return {entry, ''} end
local holder = redis.call('GET', KEYS[2])
if holder then return {'', holder} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {'', ''}
"""
# KEYS: entry, lease. ARGV: token, lease in ms, head of the entry that was stale: another one was loaded since.
TAKE_LEASE_OF_STALE = """
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[3] - 1) ~= ARGV[3] then return 0 end
return redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""
# KEYS: entry, lease. ARGV: token, value, TTL in ms. Fills only if nobody invalidated since the lease was taken.
FILL = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
"""
# KEYS: lease. ARGV: token. A load that failed gives its lease back, if it still holds it.
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Taken(msgspec.Struct, frozen=True):
    """What came of asking for a lease: the entry that is there by now, or who holds it; neither: it is ours."""

    entry: bytes
    holder: bytes

    @property
    def is_ours(self) -> bool:
        return not (self.entry or self.holder)


class Store:
    """Entries and leases. `lease` is in seconds."""

    def __init__(self, redis: Redis, *, lease: float) -> None:
        self.redis = redis
        self._lease = int(lease * 1000)
        self._reading = redis.client()  # holds one connection of the pool: a read need not ask for one
        self._reads = SharedReads(self._reading)
        self._take_lease = redis.register_script(TAKE_LEASE)
        self._take_lease_of_stale = redis.register_script(TAKE_LEASE_OF_STALE)
        self._fill = redis.register_script(FILL)
        self._release = redis.register_script(RELEASE)
        self.get = self._reads.get

    async def close(self) -> None:
        await self._reading.aclose()
        await self.redis.aclose()

    async def get_many(self, entry_keys: Sequence[str]) -> list[bytes | None]:
        found: list[bytes | None] = []
        for start in range(0, len(entry_keys), MOST_KEYS):
            part: Any = await self.redis.mget(entry_keys[start : start + MOST_KEYS])
            found += part
        return found

    async def take_lease(self, key: str, token: bytes) -> Taken:
        """Take the lease of a missing entry, unless it was filled or another load began."""
        arguments: list[bytes | int] = [token, self._lease]
        entry, holder = await self._take_lease(keys=[key, keys.lease(key)], args=arguments)
        return Taken(entry, holder)

    async def take_leases(self, entry_keys: Sequence[str], token: bytes) -> list[Taken]:
        """The same for many, in one round trip."""
        async with self.redis.pipeline(transaction=False) as pipeline:
            for key in entry_keys:
                await self._take_lease(keys=[key, keys.lease(key)], args=[token, self._lease], client=pipeline)
            return [Taken(entry, holder) for entry, holder in await pipeline.execute()]

    async def take_lease_of_stale(self, key: str, token: bytes, stale: bytes) -> bool:
        """Take the lease of an entry that is there, to load it again. False: another load does, or did."""
        arguments: list[bytes | int] = [token, self._lease, stale[:HEAD]]
        return bool(await self._take_lease_of_stale(keys=[key, keys.lease(key)], args=arguments))

    async def fill(self, key: str, token: bytes, entry: bytes, milliseconds: int) -> bool:
        """False: the entry was invalidated since the lease was taken, and nothing was stored."""
        return bool(await self._fill(keys=[key, keys.lease(key)], args=[token, entry, milliseconds]))

    async def fill_many(self, entries: Sequence[tuple[str, bytes, int]], token: bytes) -> list[bool]:
        """The same for (key, entry, milliseconds) of each, in one round trip."""
        async with self.redis.pipeline(transaction=False) as pipeline:
            for key, entry, milliseconds in entries:
                await self._fill(keys=[key, keys.lease(key)], args=[token, entry, milliseconds], client=pipeline)
            return [bool(filled) for filled in await pipeline.execute()]

    async def release(self, token: bytes, *entry_keys: str) -> None:
        for key in entry_keys:
            await self._release(keys=[keys.lease(key)], args=[token])

    async def delete(self, *entry_keys: str) -> None:
        """Delete entries, and with their leases the right of running loads to fill them."""
        await self.redis.delete(*[name for key in entry_keys for name in (key, keys.lease(key))])
