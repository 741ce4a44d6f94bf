"""A read that starts after `invalidate()` returned sees nothing older: a fill is refused unless its lease still stands.

One load runs for each key, over all tasks and processes, in a task of its own: a cancelled reader harms no other.
The load opens its own session; the reader's may close while others still wait. Without Redis, reads go to the database.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

import msgspec
from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

from qulab.cache import keys
from qulab.cache.breaker import CircuitBreaker
from qulab.cache.client import CACHE_CONNECTIONS, CACHE_TIMEOUT, create_redis
from qulab.cache.metrics import CacheMetrics, Outcome
from qulab.cache.spec import CacheSpec, Undecodable, Value
from qulab.db.loop import PerLoop

logger = logging.getLogger(__name__)

LEASE = 5.0  # seconds that one load may take before another process may try
POLL = 0.01  # seconds between two looks while another process loads
WAIT = 0.5  # seconds to wait for another process before loading without filling

# KEYS: entry, lease. ARGV: token, lease in ms. The entry first: it may have been filled since this reader looked.
TAKE_LEASE = """
local entry = redis.call('GET', KEYS[1])
if entry then return {entry, ''} end
local holder = redis.call('GET', KEYS[2])
if holder then return {'', holder} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {'', ''}
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

Away = (RedisError, OSError, asyncio.TimeoutError)
Result = TypeVar("Result")


class Lookup(msgspec.Struct, Generic[Result], frozen=True):
    """One read: the value (None: no such row), how it was answered, and how long it took in seconds."""

    value: Result | None
    outcome: Outcome
    seconds: float


class Flight(msgspec.Struct, frozen=True):
    """A load in progress in this process, and the token of the lease it runs under."""

    token: bytes
    task: "asyncio.Task[Any]"


class Cache:
    """Read-through over one Redis client. Belongs to one event loop."""

    def __init__(self, redis: Redis, *, lease: float = LEASE, breaker: CircuitBreaker | None = None) -> None:
        self.redis = redis
        self.metrics = CacheMetrics()
        self.breaker = breaker or CircuitBreaker()
        self._lease = lease
        self._flights: dict[str, Flight] = {}
        self._take_lease = redis.register_script(TAKE_LEASE)
        self._fill = redis.register_script(FILL)
        self._release = redis.register_script(RELEASE)

    async def get(self, spec: CacheSpec[Value], id_: str, load: Callable[[], Awaitable[Value | None]]) -> Value | None:
        return (await self.lookup(spec, id_, load)).value

    async def lookup(
        self, spec: CacheSpec[Value], id_: str, load: Callable[[], Awaitable[Value | None]]
    ) -> Lookup[Value]:
        """Read `id_` through the cache. Raises what `load` raises; a sick Redis raises nothing."""
        began = time.perf_counter()
        value, outcome = await self._read(spec, spec.key(id_), load)
        seconds = time.perf_counter() - began
        self.metrics.count(outcome, seconds)
        return Lookup(value, outcome, seconds)

    async def invalidate(self, *entry_keys: str) -> bool:
        """Delete the entries, and the right of running loads to fill them. False: Redis was away."""
        doomed = [name for key in entry_keys for name in (key, keys.lease(key))]
        try:
            await self.redis.delete(*doomed)
        except Away as error:
            self._away(error)
            return False
        self.breaker.succeeded()
        return True

    async def close(self) -> None:
        flights = [flight.task for flight in self._flights.values()]
        for task in flights:
            task.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        await self.redis.aclose()

    async def _read(
        self, spec: CacheSpec[Value], key: str, load: Callable[[], Awaitable[Value | None]]
    ) -> tuple[Value | None, Outcome]:
        if self.breaker.allows():
            try:
                outcome, value, task = await self._find(spec, key, load)
            except Away as error:
                self._away(error)
            else:
                self.breaker.succeeded()
                # Shielded: cancelling this reader must not cancel the load that others wait for.
                return (value if task is None else await asyncio.shield(task)), outcome
        return await self._load(load), Outcome.BYPASS

    async def _find(
        self, spec: CacheSpec[Value], key: str, load: Callable[[], Awaitable[Value | None]]
    ) -> tuple[Outcome, Value | None, "asyncio.Task[Value | None] | None"]:
        """The cached value, or the task that loads it: ours, or the one under whose lease the key is being loaded."""
        found = await self._look(spec, key)
        if found is not None:
            return *found, None
        gives_up_at = time.monotonic() + WAIT
        while time.monotonic() < gives_up_at:
            # Shielded: a reader that is cancelled here must not leave a lease that nobody loads under.
            entry, holder, started = await asyncio.shield(_detached(self._lead(spec, key, load)))
            if started is not None:
                return Outcome.MISS, None, started
            found = await self._decoded(spec, key, entry)
            if found is not None:
                return Outcome.COALESCED, found[1], None
            flight = self._flights.get(key)
            # Only under the very lease that stands now: a load from before an invalidation must not be joined.
            if flight is not None and flight.token == holder:
                return Outcome.COALESCED, None, flight.task
            await asyncio.sleep(POLL)  # another process loads
        return Outcome.BYPASS, None, _detached(self._load(load))

    async def _look(self, spec: CacheSpec[Value], key: str) -> tuple[Outcome, Value | None] | None:
        began = time.perf_counter()
        entry: Any = await self.redis.get(key)
        self.metrics.looked(time.perf_counter() - began)
        return await self._decoded(spec, key, entry)

    async def _decoded(
        self, spec: CacheSpec[Value], key: str, entry: bytes | None
    ) -> tuple[Outcome, Value | None] | None:
        if entry is None:
            return None
        try:
            value = spec.decode(entry)
        except Undecodable:
            await self.redis.delete(key)
            return None
        return (Outcome.NEGATIVE_HIT if value is None else Outcome.HIT), value

    async def _lead(
        self, spec: CacheSpec[Value], key: str, load: Callable[[], Awaitable[Value | None]]
    ) -> tuple[bytes | None, bytes | None, "asyncio.Task[Value | None] | None"]:
        """The entry that is there meanwhile, or the token of who loads it, or the load that this call started."""
        token = secrets.token_bytes(8)
        arguments: list[bytes | int] = [token, int(self._lease * 1000)]
        try:
            entry, holder = await self._take_lease(keys=[key, keys.lease(key)], args=arguments)
        except Away:
            # The answer may be late, and the lease ours all the same.
            await self._quietly(self._release(keys=[keys.lease(key)], args=[token]))
            raise
        started = None if entry or holder else self._take_off(spec, key, token, load)
        return entry or None, holder or None, started

    def _take_off(
        self, spec: CacheSpec[Value], key: str, token: bytes, load: Callable[[], Awaitable[Value | None]]
    ) -> "asyncio.Task[Value | None]":
        task = _detached(self._load_and_fill(spec, key, token, load))
        self._flights[key] = Flight(token, task)
        return task

    async def _load_and_fill(
        self, spec: CacheSpec[Value], key: str, token: bytes, load: Callable[[], Awaitable[Value | None]]
    ) -> Value | None:
        try:
            value = await self._load(load)
        except BaseException:
            await self._quietly(self._release(keys=[keys.lease(key)], args=[token]))
            raise
        else:
            arguments: list[bytes | int] = [token, spec.encode(value), spec.ttl_milliseconds(value)]
            filled = await self._quietly(self._fill(keys=[key, keys.lease(key)], args=arguments))
            self.metrics.refused_fills += filled == 0
            return value
        finally:
            flight = self._flights.get(key)
            if flight is not None and flight.token == token:
                del self._flights[key]

    async def _load(self, load: Callable[[], Awaitable[Value | None]]) -> Value | None:
        began = time.perf_counter()
        value = await load()
        self.metrics.loaded(time.perf_counter() - began)
        return value

    async def _quietly(self, call: Awaitable[Any]) -> Any:
        """The reader has its value: a Redis that fails now is counted, and not the reader's trouble."""
        try:
            return await call
        except Away as error:
            self._away(error)
            return None

    def _away(self, error: BaseException) -> None:
        if not self.breaker.is_open:
            logger.warning("the cache does not answer (%s); reads go to the database until it does", error)
        self.metrics.errors += 1
        self.breaker.failed()


def _detached(work: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
    """A task that outlives the readers that wait for it. They get its failure; without any, it is retrieved here."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


def open_cache() -> Cache:
    redis = create_redis(settings.REDIS_CACHE_URL, timeout=CACHE_TIMEOUT, max_connections=CACHE_CONNECTIONS)
    return Cache(redis)


caches: PerLoop[Cache] = PerLoop(open_cache, Cache.close)


def get_cache() -> Cache:
    """The Cache of the running loop, opened on first use."""
    return caches.get()
