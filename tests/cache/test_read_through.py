import asyncio
from typing import Any

import msgspec
import pytest

from qulab.cache import keys
from qulab.cache.breaker import CircuitBreaker
from qulab.cache.client import CACHE_CONNECTIONS, create_redis
from qulab.cache.metrics import Outcome
from qulab.cache.read_through import Cache
from qulab.cache.spec import CacheSpec
from tests.cache.source import SPEC, Source, Thing, other_process


class RenamedThing(msgspec.Struct, frozen=True):
    number: int


class TestRead:
    async def test_the_first_read_misses_and_the_second_hits(self, cache: Cache, source: Source) -> None:
        outcomes = [(await cache.lookup(SPEC, "1", source.load)).outcome for _ in range(3)]

        assert outcomes == [Outcome.MISS, Outcome.HIT, Outcome.HIT]
        assert source.loads == 1
        assert cache.metrics.hit_ratio == 2 / 3

    async def test_hit_and_miss_return_equal_values_of_one_type(self, cache: Cache, source: Source) -> None:
        missed = await cache.get(SPEC, "1", source.load)
        hit = await cache.get(SPEC, "1", source.load)

        assert missed == hit == Thing(1)
        assert type(missed) is type(hit)

    async def test_a_row_that_is_not_there_is_remembered_briefly(self, cache: Cache, source: Source) -> None:
        source.version = None

        assert (await cache.lookup(SPEC, "1", source.load)).outcome is Outcome.MISS
        assert (await cache.lookup(SPEC, "1", source.load)).outcome is Outcome.NEGATIVE_HIT
        assert 0 < await cache.redis.pttl(SPEC.key("1")) <= 5000

    async def test_an_entry_of_another_schema_is_a_miss(self, cache: Cache, source: Source) -> None:
        """What a deploy that renames a field leaves in Redis."""
        older = CacheSpec("thing", RenamedThing, ttl=60)
        await cache.redis.set(SPEC.key("1"), older.encode(RenamedThing(7))[0])

        assert await cache.get(SPEC, "1", source.load) == Thing(1)

    async def test_a_damaged_entry_is_a_miss(self, cache: Cache, source: Source) -> None:
        await cache.redis.set(SPEC.key("1"), SPEC.encode(Thing(1))[0][:13])

        assert (await cache.lookup(SPEC, "1", source.load)).outcome is Outcome.MISS

    async def test_entries_expire(self, cache: Cache, source: Source) -> None:
        await cache.get(SPEC, "1", source.load)

        assert 60_000 <= await cache.redis.pttl(SPEC.key("1")) <= 70_000


class TestInvalidation:
    async def test_a_read_after_it_sees_the_new_value(self, cache: Cache, source: Source) -> None:
        await cache.get(SPEC, "1", source.load)
        source.version = 2
        await cache.invalidate(SPEC.key("1"))

        assert await cache.get(SPEC, "1", source.load) == Thing(2)

    @pytest.mark.parametrize("where", ["here", "in another process"])
    async def test_a_load_from_before_it_can_neither_fill_nor_be_joined(
        self, cache: Cache, source: Source, redis_url: str, where: str
    ) -> None:
        """I1 and I2, the interleaving forced: read old, change, invalidate, read again, then let the old load end."""
        invalidator = cache if where == "here" else await other_process(redis_url)
        source.gate.clear()
        slow = asyncio.create_task(cache.get(SPEC, "1", source.load))
        await source.reading.wait()
        source.version = 2
        await invalidator.invalidate(SPEC.key("1"))

        source.reading.clear()
        later = asyncio.create_task(cache.get(SPEC, "1", source.load))
        await source.reading.wait()
        source.gate.set()

        assert await slow == Thing(1)
        assert await later == Thing(2)
        assert await cache.get(SPEC, "1", source.load) == Thing(2)
        assert cache.metrics.refused_fills == 1
        if invalidator is not cache:
            await invalidator.close()

    async def test_a_fill_that_comes_after_it_is_refused(self, cache: Cache, source: Source) -> None:
        source.gate.clear()
        slow = asyncio.create_task(cache.get(SPEC, "1", source.load))
        await source.reading.wait()
        await cache.invalidate(SPEC.key("1"))
        source.gate.set()
        await slow

        assert await cache.redis.get(SPEC.key("1")) is None


class TestSingleFlight:
    async def test_fifty_readers_of_a_cold_key_load_once(self, cache: Cache, source: Source) -> None:
        lookups = await asyncio.gather(*(cache.lookup(SPEC, "1", source.load) for _ in range(50)))

        assert source.loads == 1
        assert {lookup.value for lookup in lookups} == {Thing(1)}
        assert cache.metrics.outcomes[Outcome.MISS] == 1

    async def test_readers_in_two_processes_load_once(self, cache: Cache, source: Source, redis_url: str) -> None:
        other = await other_process(redis_url)
        source.gate.clear()
        reads = [asyncio.create_task(one.lookup(SPEC, "1", source.load)) for one in (cache, other) for _ in range(20)]
        await source.reading.wait()
        await asyncio.sleep(0.05)
        source.gate.set()
        await asyncio.gather(*reads)

        assert source.loads == 1
        await other.close()

    async def test_a_cancelled_reader_harms_no_other(self, cache: Cache, source: Source) -> None:
        source.gate.clear()
        reads = [asyncio.create_task(cache.get(SPEC, "1", source.load)) for _ in range(10)]
        await source.reading.wait()
        while sum(task.done() for task in reads) or cache.metrics.looks.count < 10:
            await asyncio.sleep(0)
        reads[0].cancel()
        source.gate.set()
        results = await asyncio.gather(*reads, return_exceptions=True)

        assert isinstance(results[0], asyncio.CancelledError)
        assert results[1:] == [Thing(1)] * 9
        assert source.loads == 1

    async def test_a_reader_cancelled_while_it_takes_the_lease_leaves_no_lease_without_a_load(
        self, cache: Cache, source: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """I4: the lease is in Redis, and its taker does not know it yet."""
        taken, answer = asyncio.Event(), asyncio.Event()
        take = cache._store._take_lease

        async def slow_answer(*args: Any, **options: Any) -> Any:
            result = await take(*args, **options)
            taken.set()
            await answer.wait()
            return result

        with monkeypatch.context() as patch:
            patch.setattr(cache._store, "_take_lease", slow_answer)
            reader = asyncio.create_task(cache.get(SPEC, "1", source.load))
            await taken.wait()
            reader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reader
        answer.set()

        async with asyncio.timeout(0.4):
            assert await cache.get(SPEC, "1", source.load) == Thing(1)
        assert source.loads == 1

    async def test_a_reader_waits_only_briefly_for_a_lease_that_nobody_loads_under(
        self, cache: Cache, source: Source
    ) -> None:
        await cache.redis.set(keys.lease(SPEC.key("1")), b"of a dead process", px=60_000)

        async with asyncio.timeout(2):
            lookup = await cache.lookup(SPEC, "1", source.load)

        assert (lookup.value, lookup.outcome) == (Thing(1), Outcome.BYPASS)

    async def test_two_hundred_readers_queue_for_the_connections_of_the_product_and_load_once(
        self, redis_url: str, source: Source
    ) -> None:
        """Waiting for a connection is load, and no outage. The timeout is long: nor is a busy machine one."""
        url = f"{redis_url.removesuffix('/0')}/1"
        cache = Cache(create_redis(url, timeout=5.0, max_connections=CACHE_CONNECTIONS))
        lookups = await asyncio.gather(*(cache.lookup(SPEC, "1", source.load) for _ in range(200)))

        assert {lookup.value for lookup in lookups} == {Thing(1)}
        assert (source.loads, cache.metrics.errors) == (1, 0)
        await cache.close()

    async def test_a_load_that_fails_tells_its_readers_and_the_next_read_loads_again(
        self, cache: Cache, source: Source
    ) -> None:
        async def fails() -> Thing | None:
            raise LookupError("the database is away")

        results = await asyncio.gather(*(cache.get(SPEC, "1", fails) for _ in range(3)), return_exceptions=True)

        assert all(isinstance(result, LookupError) for result in results)
        assert await cache.redis.exists(keys.lease(SPEC.key("1"))) == 0
        assert await cache.get(SPEC, "1", source.load) == Thing(1)

    async def test_a_lease_whose_holder_died_ends_by_itself(self, cache: Cache, source: Source) -> None:
        await cache.redis.set(keys.lease(SPEC.key("1")), b"of a dead process", px=100)

        async with asyncio.timeout(5):
            assert await cache.get(SPEC, "1", source.load) == Thing(1)


class TestRedisAway:
    async def read(self, url: str, source: Source, count: int) -> tuple[Cache, list[Outcome]]:
        from qulab.cache.client import CACHE_TIMEOUT

        cache = Cache(create_redis(url, timeout=CACHE_TIMEOUT), breaker=CircuitBreaker(shortest=60, longest=60))
        return cache, [(await cache.lookup(SPEC, "1", source.load)).outcome for _ in range(count)]

    async def test_reads_go_to_the_database(self, source: Source) -> None:
        cache, outcomes = await self.read("redis://127.0.0.1:1/1", source, 3)

        assert outcomes == [Outcome.BYPASS] * 3
        assert cache.metrics.errors == 1  # the breaker asks once, not each time
        await cache.close()

    async def test_a_redis_that_hangs_costs_one_read_its_timeout_and_the_others_nothing(
        self, source: Source, hung: str
    ) -> None:
        async with asyncio.timeout(2):
            cache, outcomes = await self.read(hung, source, 100)

        assert outcomes == [Outcome.BYPASS] * 100
        assert cache.metrics.errors == 1
        await cache.close()

    async def test_an_invalidation_says_that_it_was_not_done(self, source: Source) -> None:
        cache = Cache(create_redis("redis://127.0.0.1:1/1", timeout=0.1))

        assert await cache.invalidate(SPEC.key("1")) is False
        await cache.close()

    async def test_an_error_of_the_load_is_not_taken_for_one_of_redis(self, cache: Cache) -> None:
        async def fails() -> Thing | None:
            raise ConnectionRefusedError("the database")

        with pytest.raises(ConnectionRefusedError):
            await cache.get(SPEC, "1", fails)
        assert not cache.breaker.is_open


class TestBreaker:
    def test_lets_one_call_through_after_each_pause(self) -> None:
        now = 0.0
        breaker = CircuitBreaker(shortest=1.0, longest=8.0, clock=lambda: now)
        breaker.failed()

        assert not breaker.allows()
        now = 1.3
        assert [breaker.allows(), breaker.allows()] == [True, False]
        breaker.succeeded()
        assert breaker.allows()
