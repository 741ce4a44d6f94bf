"""One load for each key and lease, in a task of its own: cancelling a reader cancels no load that others wait for.

A load fills the entry only while its lease stands; one that an invalidation detached answers its own readers alone.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from qulab.cache.metrics import CacheMetrics
from qulab.cache.shared_calls import SharedCalls
from qulab.cache.spec import CacheSpec, Value
from qulab.cache.store import AWAY, Store, Taken

Result = TypeVar("Result")
Load = Callable[[], Awaitable[Value | None]]
LoadMany = Callable[[Sequence[str]], Awaitable[Mapping[str, Value]]]
Away = Callable[[BaseException, float], None]
Led = tuple[Taken, "asyncio.Task[Any] | None"]
"""What came of asking for a lease, and the load that began where it is ours."""


class Flight(msgspec.Struct, frozen=True):
    """A load in progress in this process, and the token of the lease it runs under."""

    token: bytes
    task: "asyncio.Task[Any]"


class Flights:
    """The loads of one Cache. `is_away` is told of each failure of Redis, with the time (seconds) that it took."""

    def __init__(self, store: Store, metrics: CacheMetrics, is_away: Away) -> None:
        self._store = store
        self._metrics = metrics
        self._is_away = is_away
        self._under_way: dict[str, Flight] = {}
        self._refreshing: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._leases: SharedCalls[Led] = SharedCalls(self.start)
        self._bypasses: SharedCalls[Any] = SharedCalls(self.start)

    def start(self, work: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        """A task that outlives its readers. They get its failure; where none waits any more, it is retrieved here."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def lead(self, spec: CacheSpec[Value], key: str, load: Load[Value]) -> tuple[Led, bool]:
        """Take the lease of `key`, and begin to load under it. False: it was another reader's call that did."""
        call, is_ours = self._leases.join(key, lambda: self._lead(spec, key, load))
        # Shielded: a reader that is cancelled here must not leave a lease that nobody loads under.
        return await asyncio.shield(call), is_ours

    async def past_the_cache(self, key: str, load: Load[Value]) -> Value | None:
        """Load without a lease and without a fill, once for all readers of this process that ask meanwhile."""
        call, _ = self._bypasses.join(key, lambda: self.load(load))
        value: Value | None = await asyncio.shield(call)
        return value

    async def _lead(self, spec: CacheSpec[Value], key: str, load: Load[Value]) -> Led:
        token, began = secrets.token_bytes(8), time.perf_counter()
        try:
            taken = await self._store.take_lease(key, token)
        except AWAY:
            # The answer may be late, and the lease ours all the same.
            await self._quietly(self._store.release(token, key))
            raise
        if not taken.is_ours:
            return taken, None
        task = self.start(self._load_and_fill(spec, key, token, load, time.perf_counter() - began))
        self._under_way[key] = Flight(token, task)
        return taken, task

    async def lead_many(self, spec: CacheSpec[Value], ids: Sequence[str], load_many: LoadMany[Value]) -> list[Led]:
        """The same for many ids, with one load for all whose lease is ours."""
        if not ids:
            return []
        entry_keys = [spec.key(id_) for id_ in ids]
        token, began = secrets.token_bytes(8), time.perf_counter()
        try:
            taken = await self._store.take_leases(entry_keys, token)
        except AWAY:
            await self._quietly(self._store.release(token, *entry_keys))
            raise
        ours = {key: id_ for key, id_, one in zip(entry_keys, ids, taken, strict=True) if one.is_ours}
        if ours:
            batch = self.start(self._load_and_fill_many(spec, ours, token, load_many, time.perf_counter() - began))
            for key in ours:
                self._under_way[key] = Flight(token, self.start(_one_of(batch, key)))
        tasks = [self._under_way[key].task if key in ours else None for key in entry_keys]
        return list(zip(taken, tasks, strict=True))

    def joined(self, key: str, holder: bytes) -> "asyncio.Task[Any] | None":
        """This process's load under the lease that stands now, and not one from before an invalidation."""
        flight = self._under_way.get(key)
        return flight.task if flight is not None and flight.token == holder else None

    def refresh(self, spec: CacheSpec[Value], key: str, stale: bytes, load: Load[Value]) -> None:
        """Load a stale entry again, beside its readers, unless somebody does already."""
        if key not in self._refreshing:
            self._refreshing.add(key)
            self.start(self._refresh(spec, key, stale, load))

    async def load(self, load: Load[Value]) -> Value | None:
        began = time.perf_counter()
        value = await load()
        self._metrics.loads.observe(time.perf_counter() - began)
        return value

    async def close(self) -> None:
        """Cancel what is under way, and what that begins on its way out."""
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _load_and_fill(
        self, spec: CacheSpec[Value], key: str, token: bytes, load: Load[Value], lease_seconds: float
    ) -> Value | None:
        try:
            value = await self.load(load)
        except BaseException:
            await self._quietly(self._store.release(token, key))
            raise
        else:
            await self._fill(spec, {key: value}, token, lease_seconds)
            return value
        finally:
            self._land(token, key)

    async def _load_and_fill_many(
        self,
        spec: CacheSpec[Value],
        ids: Mapping[str, str],
        token: bytes,
        load_many: LoadMany[Value],
        lease_seconds: float,
    ) -> Mapping[str, Value | None]:
        """By entry key; `ids` maps it to the id."""
        began = time.perf_counter()
        try:
            loaded = await load_many(list(ids.values()))
        except BaseException:
            await self._quietly(self._store.release(token, *ids))
            raise
        else:
            self._metrics.loads.observe(time.perf_counter() - began)
            values = {key: loaded.get(id_) for key, id_ in ids.items()}
            await self._fill(spec, values, token, lease_seconds)
            return values
        finally:
            self._land(token, *ids)

    async def _refresh(self, spec: CacheSpec[Value], key: str, stale: bytes, load: Load[Value]) -> None:
        """Where the load fails the lease stays until it ends: nobody tries again before, and the stale value serves."""
        token = secrets.token_bytes(8)
        try:
            if await self._quietly(self._store.take_lease_of_stale(key, token, stale)):
                self._metrics.refreshes += 1
                await self._fill(spec, {key: await self.load(load)}, token, 0.0)
        finally:
            self._refreshing.discard(key)

    async def _fill(
        self, spec: CacheSpec[Value], values: Mapping[str, Value | None], token: bytes, lease_seconds: float
    ) -> None:
        began = time.perf_counter()
        entries = [(key, *spec.encode(value)) for key, value in values.items()]
        filled = await self._quietly(self._store.fill_many(entries, token))
        if filled is not None:
            self._metrics.refused_fills += filled.count(False)
            self._metrics.fills.observe(lease_seconds + time.perf_counter() - began)

    def _land(self, token: bytes, *entry_keys: str) -> None:
        for key in entry_keys:
            flight = self._under_way.get(key)
            if flight is not None and flight.token == token:
                del self._under_way[key]

    async def _quietly(self, call: Awaitable[Result]) -> Result | None:
        """The reader has its value: a Redis that fails now is counted, and not the reader's trouble."""
        began = time.perf_counter()
        try:
            return await call
        except AWAY as error:
            self._is_away(error, time.perf_counter() - began)
            return None


async def _one_of(batch: "asyncio.Task[Mapping[str, Value | None]]", key: str) -> Value | None:
    return (await asyncio.shield(batch))[key]
