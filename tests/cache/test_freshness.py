"""Past its TTL a value serves on while one reader's refresh loads another, for the grace and no longer."""

import asyncio

import pytest

from qulab.cache import keys
from qulab.cache.metrics import Outcome
from qulab.cache.read_through import Cache
from qulab.cache.spec import CacheSpec
from tests.cache.source import SPEC, Source, Thing, other_process


class Clock:
    """What the specs take for the time; Redis's own expiry is long beside it."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("qulab.cache.spec.time", clock)
    return clock


async def until_refreshed(cache: Cache) -> None:
    async with asyncio.timeout(5):
        while cache._flights._refreshing:
            await asyncio.sleep(0.001)


class TestStale:
    async def test_a_stale_value_is_answered_at_once_and_loaded_again_beside_it(
        self, cache: Cache, source: Source, clock: Clock
    ) -> None:
        await cache.get(SPEC, "1", source.load)
        source.version = 2
        clock.now += 61

        stale = await cache.lookup(SPEC, "1", source.load)
        await until_refreshed(cache)
        fresh = await cache.lookup(SPEC, "1", source.load)

        assert (stale.value, stale.outcome) == (Thing(1), Outcome.STALE_HIT)
        assert (fresh.value, fresh.outcome) == (Thing(2), Outcome.HIT)
        assert (source.loads, cache.metrics.refreshes) == (2, 1)

    async def test_fifty_readers_in_two_processes_refresh_once(
        self, cache: Cache, source: Source, clock: Clock, redis_url: str
    ) -> None:
        other = await other_process(redis_url)
        await cache.get(SPEC, "1", source.load)
        clock.now += 61
        source.gate.clear()

        lookups = await asyncio.gather(
            *(one.lookup(SPEC, "1", source.load) for one in (cache, other) for _ in range(25))
        )
        source.gate.set()
        for one in (cache, other):
            await until_refreshed(one)

        assert {lookup.outcome for lookup in lookups} == {Outcome.STALE_HIT}
        assert source.loads == 2
        await other.close()

    async def test_an_invalidation_meanwhile_refuses_the_refreshed_value(
        self, cache: Cache, source: Source, clock: Clock
    ) -> None:
        """I1 for a refresh: it read before the change, and would store what it read after it."""
        await cache.get(SPEC, "1", source.load)
        clock.now += 61
        source.reading.clear()
        source.gate.clear()
        await cache.get(SPEC, "1", source.load)
        await source.reading.wait()
        source.version = 2

        await cache.invalidate(SPEC.key("1"))
        source.gate.set()
        await until_refreshed(cache)

        assert await cache.redis.exists(SPEC.key("1")) == 0
        assert await cache.get(SPEC, "1", source.load) == Thing(2)

    async def test_with_the_database_down_the_value_serves_and_loads_are_not_repeated_at_each_read(
        self, cache: Cache, source: Source, clock: Clock
    ) -> None:
        await cache.get(SPEC, "1", source.load)
        clock.now += 61
        tried = 0

        async def fails() -> Thing | None:
            nonlocal tried
            tried += 1
            raise ConnectionRefusedError("the database is down")

        for _ in range(20):
            assert await cache.get(SPEC, "1", fails) == Thing(1)
            await until_refreshed(cache)

        assert tried == 1

    async def test_an_invalidated_value_is_never_served_however_stale_values_may_be(
        self, cache: Cache, source: Source, clock: Clock
    ) -> None:
        await cache.get(SPEC, "1", source.load)
        clock.now += 61
        await cache.invalidate(SPEC.key("1"))

        async def fails() -> Thing | None:
            raise ConnectionRefusedError("the database is down")

        with pytest.raises(ConnectionRefusedError):
            await cache.get(SPEC, "1", fails)

    async def test_redis_keeps_a_value_for_ttl_and_grace_and_an_absence_for_its_ttl_alone(self) -> None:
        spec = CacheSpec("thing", Thing, ttl=60, grace=10, negative_ttl=5, jitter=0)

        assert spec.encode(Thing(1))[1] == 70_000
        assert spec.encode(None)[1] == 5_000


class TestMany:
    async def test_reads_what_is_there_and_loads_the_rest_with_one_call(self, cache: Cache, source: Source) -> None:
        await cache.get(SPEC, "1", source.load)

        found = await cache.get_many(SPEC, ["1", "2", "3", "2"], source.load_many)
        again = await cache.get_many(SPEC, ["1", "2", "3"], source.load_many)

        assert found == again == {"1": Thing(1), "2": Thing(1), "3": Thing(1)}
        assert source.asked == [["2", "3"]]
        assert cache.metrics.outcomes[Outcome.HIT] == 4

    async def test_remembers_the_rows_that_are_not_there(self, cache: Cache, source: Source) -> None:
        source.version = None

        assert await cache.get_many(SPEC, ["1", "2"], source.load_many) == {"1": None, "2": None}
        assert (await cache.lookup(SPEC, "2", source.load)).outcome is Outcome.NEGATIVE_HIT

    async def test_asks_nothing_for_no_ids(self, cache: Cache, source: Source) -> None:
        assert await cache.get_many(SPEC, [], source.load_many) == {}
        assert source.asked == []

    async def test_joins_the_load_of_another_reader(self, cache: Cache, source: Source) -> None:
        source.gate.clear()
        one = asyncio.create_task(cache.get(SPEC, "1", source.load))
        await source.reading.wait()
        many = asyncio.create_task(cache.get_many(SPEC, ["1", "2"], source.load_many))
        async with asyncio.timeout(5):
            while not source.asked:
                await asyncio.sleep(0.001)
        source.gate.set()

        assert await one == Thing(1)
        assert await many == {"1": Thing(1), "2": Thing(1)}
        assert source.asked == [["2"]]
        assert source.loads == 1

    async def test_a_reader_of_one_joins_the_load_of_many(self, cache: Cache, source: Source) -> None:
        source.gate.clear()
        many = asyncio.create_task(cache.get_many(SPEC, ["1", "2"], source.load_many))
        await source.reading.wait()
        one = asyncio.create_task(cache.lookup(SPEC, "1", source.load))
        async with asyncio.timeout(5):
            while cache.metrics.looks.count < 2:
                await asyncio.sleep(0.001)
        source.gate.set()

        assert (await one).outcome is Outcome.COALESCED
        assert await many == {"1": Thing(1), "2": Thing(1)}
        assert source.loads == 0

    async def test_an_invalidation_refuses_its_fill_of_that_key_alone(self, cache: Cache, source: Source) -> None:
        source.gate.clear()
        many = asyncio.create_task(cache.get_many(SPEC, ["1", "2"], source.load_many))
        await source.reading.wait()
        await cache.invalidate(SPEC.key("1"))
        source.gate.set()
        await many

        assert await cache.redis.exists(SPEC.key("1")) == 0
        assert await cache.redis.exists(SPEC.key("2")) == 1
        assert cache.metrics.refused_fills == 1

    async def test_a_load_that_fails_gives_all_its_leases_back(self, cache: Cache, source: Source) -> None:
        async def fails(_ids: object) -> dict[str, Thing]:
            raise LookupError("the database is away")

        with pytest.raises(LookupError):
            await cache.get_many(SPEC, ["1", "2"], fails)
        assert await cache.redis.exists(*(keys.lease(SPEC.key(id_)) for id_ in "12")) == 0
        assert not cache.breaker.is_open

    async def test_a_cancelled_reader_harms_no_other(self, cache: Cache, source: Source) -> None:
        source.gate.clear()
        many = asyncio.create_task(cache.get_many(SPEC, ["1", "2"], source.load_many))
        await source.reading.wait()
        one = asyncio.create_task(cache.get(SPEC, "1", source.load))
        async with asyncio.timeout(5):
            while cache.metrics.looks.count < 2:
                await asyncio.sleep(0.001)
        many.cancel()
        source.gate.set()

        assert await one == Thing(1)
        assert await cache.redis.exists(SPEC.key("2")) == 1
