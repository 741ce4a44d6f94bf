"""I1 to I7 of the cache, each in the one interleaving that breaks it where its line is taken out."""

import asyncio
import json
import sys
import time

import pytest

from qulab.cache.breaker import CircuitBreaker
from qulab.cache.client import CACHE_TIMEOUT, create_redis
from qulab.cache.metrics import Outcome
from qulab.cache.read_through import Cache
from tests.cache.source import SPEC, Source, Thing, other_process

KEY = SPEC.key("1")


class TestStaleSets:
    async def test_of_a_thousand_forced_ones_none_is_stored(self, cache: Cache, source: Source) -> None:
        """I1: each reader reads the old row, and stores it only after the change was invalidated."""
        stale = 0
        for version in range(1, 1001):
            source.version = version
            source.gate.clear()
            source.reading.clear()
            reader = asyncio.create_task(cache.get(SPEC, "1", source.load))
            await source.reading.wait()
            source.version = version + 1
            await cache.invalidate(KEY)
            source.gate.set()
            await reader
            stale += await cache.redis.exists(KEY)

        assert stale == 0
        assert cache.metrics.refused_fills == 1000

    async def test_a_reader_joins_no_load_of_its_own_process_that_an_invalidation_detached(
        self, cache: Cache, source: Source, redis_url: str
    ) -> None:
        """I2: the lease is another process's by now, and our own load of the key is one from before the change."""
        other = await other_process(redis_url)
        source.gate.clear()
        old = asyncio.create_task(cache.get(SPEC, "1", source.load))
        await source.reading.wait()
        source.version = 2
        await other.invalidate(KEY)
        source.reading.clear()
        theirs = asyncio.create_task(other.get(SPEC, "1", source.load))
        await source.reading.wait()

        ours = asyncio.create_task(cache.get(SPEC, "1", source.load))
        async with asyncio.timeout(5):
            while cache.metrics.looks.count < 2:
                await asyncio.sleep(0.001)
        source.gate.set()

        assert await old == Thing(1)
        assert await theirs == Thing(2)
        assert await ours == Thing(2)
        await other.close()


PROCESS = """
import asyncio, json, sys
import django
django.setup()
from qulab.cache.client import create_redis
from qulab.cache.read_through import Cache
from tests.cache.source import SPEC, Thing

async def main(url, readers):
    cache = Cache(create_redis(url, timeout=5.0))
    loads = 0
    async def load():
        nonlocal loads
        loads += 1
        await asyncio.sleep(0.05)
        return Thing(1)
    await cache.redis.ping()
    print("ready", flush=True)
    for key in map(str.strip, sys.stdin):
        loads = 0
        found = await asyncio.gather(*(cache.get(SPEC, key, load) for _ in range(readers)))
        print(json.dumps([loads, sum(one == Thing(1) for one in found)]), flush=True)
    await cache.close()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


class TestOneLoad:
    async def test_four_processes_with_fifty_readers_each_load_a_cold_key_once_twenty_times_of_twenty(
        self, redis_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """I3."""
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "qulab.settings")
        url = f"{redis_url.removesuffix('/0')}/1"
        processes = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", PROCESS, url, "50"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            for _ in range(4)
        ]
        try:
            async with asyncio.timeout(60):
                answers = [await self.ask(processes, key=f"cold-{number}") for number in range(20)]
        finally:
            for process in processes:
                assert process.stdin is not None
                process.stdin.close()
                await process.wait()

        assert [loads for loads, _ in answers] == [1] * 20
        assert [found for _, found in answers] == [200] * 20

    async def ask(self, processes: list[asyncio.subprocess.Process], key: str) -> tuple[int, int]:
        """All at once; the loads and the right answers, over all processes."""
        for process in processes:
            assert process.stdout is not None
            if key == "cold-0":
                assert await process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{key}\n".encode())
        told = [json.loads(await process.stdout.readline()) for process in processes if process.stdout]
        return sum(loads for loads, _ in told), sum(found for _, found in told)


class TestEqual:
    async def test_every_way_to_an_answer_gives_an_equal_value_of_one_type(self, cache: Cache, source: Source) -> None:
        """I6: missed, joined, hit, read with others, and past Redis."""
        missed, joined = await asyncio.gather(*(cache.get(SPEC, "1", source.load) for _ in range(2)))
        hit = await cache.get(SPEC, "1", source.load)
        many = (await cache.get_many(SPEC, ["1"], source.load_many))["1"]
        cache.breaker.failed()
        bypassed = await cache.get(SPEC, "1", source.load)

        answers = [missed, joined, hit, many, bypassed]
        assert answers == [Thing(1)] * 5
        assert {type(answer) for answer in answers} == {Thing}


class TestOutage:
    async def test_no_reader_pays_for_finding_out_whether_redis_is_back(self, source: Source, hung: str) -> None:
        """I7: the first read pays one timeout; later ones start a look beside them, and wait for none."""
        redis = create_redis(hung, timeout=CACHE_TIMEOUT)
        cache = Cache(redis, breaker=CircuitBreaker(shortest=0.001, longest=0.001))
        await cache.get(SPEC, "1", source.load)
        looks = cache.metrics.looks.count
        await asyncio.sleep(0.01)

        lookups = []
        for _ in range(20):
            await asyncio.sleep(0.003)  # longer than the breaker's pause: it lets a look through before each read
            lookups.append(await cache.lookup(SPEC, "1", source.load))
        async with asyncio.timeout(5):
            while cache.metrics.errors < 2:
                await asyncio.sleep(0.001)

        assert [lookup.outcome for lookup in lookups] == [Outcome.BYPASS] * 20
        assert sum(lookup.seconds >= CACHE_TIMEOUT for lookup in lookups) <= 5, "a busy machine may hold up a few"
        assert cache.metrics.looks.count == looks
        await cache.close()

    async def test_reads_use_redis_again_after_it_is_back(self, cache: Cache, source: Source) -> None:
        cache.breaker = CircuitBreaker(shortest=0.001, longest=0.001)
        cache.breaker.failed()

        async with asyncio.timeout(5):
            while (await cache.lookup(SPEC, "1", source.load)).outcome is Outcome.BYPASS:
                await asyncio.sleep(0.001)

        assert (await cache.lookup(SPEC, "1", source.load)).outcome is Outcome.HIT

    async def test_a_busy_loop_is_not_taken_for_a_sick_redis(self, source: Source, hung: str) -> None:
        """The timeout came late because this process was busy: whether Redis answered in time nobody knows."""
        cache = Cache(create_redis(hung, timeout=CACHE_TIMEOUT))
        reader = asyncio.create_task(cache.lookup(SPEC, "1", source.load))
        await asyncio.sleep(0.01)
        time.sleep(5 * CACHE_TIMEOUT)  # what a long computation in the loop does

        assert (await reader).outcome is Outcome.BYPASS
        assert cache.metrics.errors == 1
        assert not cache.breaker.is_open
        await cache.close()

    async def test_readers_that_queue_behind_a_read_that_times_out_wait_for_one_more_at_most(
        self, source: Source, hung: str
    ) -> None:
        cache = Cache(create_redis(hung, timeout=CACHE_TIMEOUT))

        lookups = await asyncio.gather(*(cache.lookup(SPEC, str(n), source.load) for n in range(50)))

        assert {lookup.outcome for lookup in lookups} == {Outcome.BYPASS}
        assert cache.metrics.looks.count == 0
        assert sorted(lookup.seconds for lookup in lookups)[25] < 20 * CACHE_TIMEOUT
        await cache.close()
