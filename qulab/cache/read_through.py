"""A read that starts after `invalidate()` returned sees nothing older: a fill is refused unless its lease still stands.

One load runs for each key, over all tasks and processes, in a task of its own: a cancelled reader harms no other.
The load opens its own session; the reader's may close while others still wait. Without Redis, reads go to the database.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec
from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import TimeoutError as RedisTimeout

from qulab.cache.breaker import CircuitBreaker
from qulab.cache.client import CACHE_CONNECTIONS, CACHE_TIMEOUT, create_redis
from qulab.cache.flights import Flights, Led, Load, LoadMany
from qulab.cache.metrics import CacheMetrics, Outcome
from qulab.cache.spec import CacheSpec, Undecodable, Value
from qulab.cache.store import AWAY, Store
from qulab.db.loop import PerLoop

logger = logging.getLogger(__name__)

LEASE = 5.0  # seconds that one load may take before another process may try
POLL = 0.01  # seconds between two looks while another process loads
WAIT = 1.0  # seconds to wait for another process before loading without filling
LATE = 3.0  # times its own length that a timeout took: this loop was busy, and Redis may well have answered

Result = TypeVar("Result")


class Lookup(msgspec.Struct, Generic[Result], frozen=True):
    """One read: the value (None: no such row), how it was answered, and how long it took in seconds."""

    value: Result | None
    outcome: Outcome
    seconds: float


class Cache:
    """Read-through over one Redis client. Belongs to one event loop."""

    def __init__(self, redis: Redis, *, lease: float = LEASE, breaker: CircuitBreaker | None = None) -> None:
        self.redis = redis
        self.metrics = CacheMetrics()
        self.breaker = breaker or CircuitBreaker()
        self._store = Store(redis, lease=lease)
        self._flights = Flights(self._store, self.metrics, self._is_away)
        self._timeout: float = redis.connection_pool.connection_kwargs.get("socket_timeout") or float("inf")

    async def get(self, spec: CacheSpec[Value], id_: str, load: Load[Value]) -> Value | None:
        return (await self.lookup(spec, id_, load)).value

    async def lookup(self, spec: CacheSpec[Value], id_: str, load: Load[Value]) -> Lookup[Value]:
        """Read `id_` through the cache. Raises what `load` raises; a sick Redis raises nothing."""
        began = time.perf_counter()
        value, outcome = await self._read(spec, spec.key(id_), load)
        seconds = time.perf_counter() - began
        self.metrics.count(outcome, seconds)
        return Lookup(value, outcome, seconds)

    async def get_many(
        self, spec: CacheSpec[Value], ids: Sequence[str], load_many: LoadMany[Value]
    ) -> dict[str, Value | None]:
        """Read many with one look, and load with one call what is missing. None: no such row.

        `load_many` is asked for ids, and leaves out the rows that do not exist. Raises what it raises.
        """
        began = time.perf_counter()
        found = await self._read_many(spec, list(dict.fromkeys(ids)), load_many)
        share = (time.perf_counter() - began) / max(len(found), 1)
        for _, outcome in found.values():
            self.metrics.count(outcome, share)
        return {id_: value for id_, (value, _) in found.items()}

    async def invalidate(self, *entry_keys: str) -> bool:
        """Delete the entries, and the right of running loads to fill them. False: Redis was away."""
        began = time.perf_counter()
        try:
            await self._store.delete(*entry_keys)
        except AWAY as error:
            self._is_away(error, time.perf_counter() - began)
            return False
        self.breaker.succeeded()
        return True

    async def close(self) -> None:
        await self._flights.close()
        await self._store.close()

    # --- One key -----------------------------------------------------------------------------------------------------

    async def _read(self, spec: CacheSpec[Value], key: str, load: Load[Value]) -> tuple[Value | None, Outcome]:
        if self._answers():
            began = time.perf_counter()
            try:
                entry = await self._store.get(key)
                self.metrics.looks.observe(time.perf_counter() - began)
                found = await self._found(spec, key, entry, load)
                task = None
                if found is None:
                    found, task = await self._find_or_lead(spec, key, load)
            except AWAY as error:
                self._is_away(error, time.perf_counter() - began)
            else:
                if self.breaker.is_open:
                    self.breaker.succeeded()
                # Shielded: cancelling this reader must not cancel the load that others wait for.
                return found if task is None else (await asyncio.shield(task), found[1])
        return await self._flights.past_the_cache(key, load), Outcome.BYPASS

    async def _found(
        self, spec: CacheSpec[Value], key: str, entry: bytes | None, load: Load[Value]
    ) -> tuple[Value | None, Outcome] | None:
        """What the entry says, None where there is none that can be read. A stale one is loaded again meanwhile."""
        if entry is None:
            return None
        try:
            value = spec.decode(entry)
        except Undecodable:
            await self.redis.delete(key)
            return None
        if value is None:
            return None, Outcome.NEGATIVE_HIT
        if spec.is_fresh(entry):
            return value, Outcome.HIT
        self._flights.refresh(spec, key, entry, load)
        return value, Outcome.STALE_HIT

    async def _find_or_lead(
        self, spec: CacheSpec[Value], key: str, load: Load[Value]
    ) -> tuple[tuple[Value | None, Outcome], "asyncio.Task[Value | None] | None"]:
        """The answer, and where it is not known yet the task that brings the value: ours, or the lease holder's."""
        gives_up_at = time.monotonic() + WAIT
        while time.monotonic() < gives_up_at:
            (taken, started), is_ours = await self._flights.lead(spec, key, load)
            if started is not None:
                return (None, Outcome.MISS if is_ours else Outcome.COALESCED), started
            found = await self._found(spec, key, taken.entry or None, load)
            if found is not None:
                return (found[0], Outcome.COALESCED), None
            joined = self._flights.joined(key, taken.holder)
            if joined is not None:
                return (None, Outcome.COALESCED), joined
            await asyncio.sleep(POLL)  # another process loads
        return (None, Outcome.BYPASS), self._flights.start(self._flights.past_the_cache(key, load))

    # --- Many keys ---------------------------------------------------------------------------------------------------

    async def _read_many(
        self, spec: CacheSpec[Value], ids: list[str], load_many: LoadMany[Value]
    ) -> dict[str, tuple[Value | None, Outcome]]:
        found: dict[str, tuple[Value | None, Outcome]] = {}
        if self._answers():
            began = time.perf_counter()
            try:
                entries = await self._store.get_many([spec.key(id_) for id_ in ids])
                self.metrics.looks.observe(time.perf_counter() - began)
                for id_, entry in zip(ids, entries, strict=True):
                    known = await self._found(spec, spec.key(id_), entry, _only(load_many, id_))
                    if known is not None:
                        found[id_] = known
                missing = [id_ for id_ in ids if id_ not in found]
                led = await asyncio.shield(self._flights.start(self._flights.lead_many(spec, missing, load_many)))
            except AWAY as error:
                self._is_away(error, time.perf_counter() - began)
            else:
                found.update(await self._land(spec, dict(zip(missing, led, strict=True)), load_many))
        missing = [id_ for id_ in ids if id_ not in found]
        if missing:
            loaded = await load_many(missing)
            found.update({id_: (loaded.get(id_), Outcome.BYPASS) for id_ in missing})
        return found

    async def _land(
        self, spec: CacheSpec[Value], led: dict[str, Led], load_many: LoadMany[Value]
    ) -> dict[str, tuple[Value | None, Outcome]]:
        """What our own load brings, and what others were loading: each of those as a read of one key."""

        async def landed(id_: str, task: "asyncio.Task[Any] | None") -> tuple[Value | None, Outcome]:
            if task is not None:
                return await asyncio.shield(task), Outcome.MISS
            return await self._read(spec, spec.key(id_), _only(load_many, id_))

        answers = await asyncio.gather(*(landed(id_, task) for id_, (_, task) in led.items()))
        return dict(zip(led, answers, strict=True))

    # --- Redis away --------------------------------------------------------------------------------------------------

    def _answers(self) -> bool:
        """Whether to ask Redis. While it is away a task of its own looks now and then whether it is back."""
        if not self.breaker.is_open:
            return True
        if self.breaker.allows():
            self._flights.start(self._look_whether_it_is_back())
        return False

    async def _look_whether_it_is_back(self) -> None:
        began = time.perf_counter()
        try:
            await self.redis.ping()
        except AWAY as error:
            self._is_away(error, time.perf_counter() - began)
        else:
            logger.info("the cache answers again")
            self.breaker.succeeded()

    def _is_away(self, error: BaseException, seconds: float) -> None:
        """Note a failure, after so many seconds. A timeout that came much too late says that this loop was busy."""
        self.metrics.errors += 1
        if isinstance(error, (RedisTimeout, asyncio.TimeoutError)) and seconds > LATE * self._timeout:
            return
        if not self.breaker.is_open:
            logger.warning("the cache does not answer (%s); reads go to the database until it does", error)
        self.breaker.failed()


def _only(load_many: LoadMany[Value], id_: str) -> Load[Value]:
    async def load() -> Value | None:
        return (await load_many([id_])).get(id_)

    return load


def open_cache() -> Cache:
    redis = create_redis(settings.REDIS_CACHE_URL, timeout=CACHE_TIMEOUT, max_connections=CACHE_CONNECTIONS)
    return Cache(redis)


caches: PerLoop[Cache] = PerLoop(open_cache, Cache.close)


def get_cache() -> Cache:
    """The Cache of the running loop, opened on first use."""
    return caches.get()
