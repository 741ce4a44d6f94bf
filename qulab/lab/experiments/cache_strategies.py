"""Five ways to keep a cache beside a database, each as it is usually written; none is held up, and none is helped.

A read returns the snapshot; a write returns the version that it acknowledges, and what that promises is the strategy.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar, NamedTuple

import msgspec
from redis.asyncio import Redis

from accounts.snapshots import UserSnapshot
from qulab.cache import keys
from qulab.cache.metrics import HITS
from qulab.cache.read_through import Cache
from qulab.cache.spec import CacheSpec
from qulab.lab.experiments.cache_rows import Rows

TTL = 3600  # seconds
SPEC = CacheSpec("strategy", UserSnapshot, ttl=TTL)


class Read(NamedTuple):
    value: UserSnapshot
    hit: bool


class Strategy(ABC):
    """`period` is in seconds: the time between two flushes of write-behind, and the age at which refresh-ahead begins.

    The Redis client is the strategy's own, and closed with it.
    """

    name: ClassVar[str]

    def __init__(self, rows: Rows, redis: Redis, *, period: float) -> None:
        self.rows = rows
        self.redis = redis
        self.period = period

    @abstractmethod
    async def read(self, id_: str) -> Read: ...

    @abstractmethod
    async def write(self, id_: str, name: str) -> int: ...

    async def settle(self) -> None:  # noqa: B027 - most have nothing to wait for
        """Return when nothing that was acknowledged is still to be written."""

    async def close(self) -> None:
        await self.settle()
        await self.redis.aclose()


# --- By the product's cache ------------------------------------------------------------------------------------------


class ReadThrough(Strategy):
    """A commit deletes the entry, and no load that began before it may fill it."""

    name = "read-through"

    def __init__(self, rows: Rows, redis: Redis, *, period: float) -> None:
        super().__init__(rows, redis, period=period)
        self._cache = Cache(redis)
        self._spec = SPEC

    async def read(self, id_: str) -> Read:
        lookup = await self._cache.lookup(self._spec, id_, lambda: self.rows.load(id_))
        assert lookup.value is not None
        return Read(lookup.value, lookup.outcome in HITS)

    async def write(self, id_: str, name: str) -> int:
        async def forget() -> None:
            await self._cache.invalidate(self._spec.key(id_))

        return (await self.rows.change(id_, name, forget)).version

    async def close(self) -> None:
        await self._cache.close()


class RefreshAhead(ReadThrough):
    """No write tells the cache: a read in the second half of an entry's life has it loaded again, beside the read."""

    name = "refresh-ahead"

    def __init__(self, rows: Rows, redis: Redis, *, period: float) -> None:
        super().__init__(rows, redis, period=period)
        self._spec = CacheSpec("strategy", UserSnapshot, ttl=period, grace=period, jitter=0.0)

    async def write(self, id_: str, name: str) -> int:
        return (await self.rows.change(id_, name)).version


# --- By hand ---------------------------------------------------------------------------------------------------------


class ByHand(Strategy):
    """GET; on a miss load and SET. What a write does is up to the strategy."""

    async def read(self, id_: str) -> Read:
        text = await self.redis.get(key(id_))
        if text is not None:
            return Read(_decode(text), hit=True)
        value = await self.rows.load(id_)
        await self._fill(value)
        return Read(value, hit=False)

    async def _fill(self, value: UserSnapshot) -> None:
        await self.redis.set(key(value.id), _encode(value), ex=TTL)


class CacheAside(ByHand):
    """A write commits, then deletes the entry. A slow reader may put back what it had loaded before."""

    name = "cache-aside"

    async def write(self, id_: str, name: str) -> int:
        changed = await self.rows.change(id_, name)
        await self.redis.delete(key(id_))
        return changed.version


class WriteThrough(ByHand):
    """A write commits, then stores the new value: it is acknowledged when both have it."""

    name = "write-through"

    async def write(self, id_: str, name: str) -> int:
        changed = await self.rows.change(id_, name)
        await self._fill(changed)
        return changed.version


# KEYS: entry. ARGV: name, seconds. The next version of the entry, nil where there is none.
WRITE = """
local text = redis.call('GET', KEYS[1])
if not text then return false end
local value = cjson.decode(text)
value.name = ARGV[1]
value.version = value.version + 1
text = cjson.encode(value)
redis.call('SET', KEYS[1], text, 'EX', ARGV[2])
return text
"""


class WriteBehind(ByHand):
    """A write is acknowledged when the cache has it. This process remembers it, and writes it to the database later."""

    name = "write-behind"

    def __init__(self, rows: Rows, redis: Redis, *, period: float) -> None:
        super().__init__(rows, redis, period=period)
        self._write = redis.register_script(WRITE)
        self._behind: dict[str, UserSnapshot] = {}  # several writes of one row are one
        self._settling = asyncio.Event()
        self._flushing: asyncio.Task[None] | None = None

    async def write(self, id_: str, name: str) -> int:
        while (text := await self._write(keys=[key(id_)], args=[name, TTL])) is None:
            await self._fill(await self.rows.load(id_))
        value = _decode(text)
        before = self._behind.get(id_)
        if before is None or before.version < value.version:  # answers of two writers may come in any order
            self._behind[id_] = value
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return value.version

    async def settle(self) -> None:
        self._settling.set()
        if self._flushing is not None:
            await self._flushing
        self._settling.clear()

    async def _flush(self) -> None:
        """Write a batch after each period, as long as there is something."""
        while self._behind:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.period):
                    await self._settling.wait()
            batch, self._behind = self._behind, {}
            # In the order of their keys, as every transaction over many rows should be.
            await self.rows.store(sorted(batch.values(), key=lambda one: one.id))
        self._flushing = None

    async def _fill(self, value: UserSnapshot) -> None:
        """Never over an entry: it may be newer than the database."""
        await self.redis.set(key(value.id), _encode(value), ex=TTL, nx=True)


def key(id_: str) -> str:
    return f"strategy:{id_}"


def names(id_: str) -> list[str]:
    """Every key that a strategy may write about this user."""
    return [key(id_), SPEC.key(id_), keys.lease(SPEC.key(id_))]


def _encode(value: UserSnapshot) -> bytes:
    return msgspec.json.encode(value)


def _decode(text: Any) -> UserSnapshot:
    return msgspec.json.decode(text, type=UserSnapshot)


STRATEGIES: Mapping[str, type[Strategy]] = {
    one.name: one for one in (ReadThrough, CacheAside, WriteThrough, WriteBehind, RefreshAhead)
}
