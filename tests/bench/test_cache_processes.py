"""Readers in processes of their own: how often they load, what an outage does to them, and that none is left over."""

import asyncio
import subprocess
import sys

import msgspec
import pytest
from django.conf import settings as django_settings
from redis.asyncio import Redis

from qulab.lab.experiments import cache_outages
from qulab.lab.experiments.cache_entrants import GUARDED, OURS, REDIS_PY, Entrant
from qulab.lab.experiments.cache_outages import hung, outages, refusing
from qulab.lab.experiments.cache_reader import Order
from qulab.lab.experiments.cache_readers import ReaderFailed, readers
from qulab.lab.experiments.cache_ring import Ring, ring
from qulab.lab.experiments.cache_stampedes import READERS, stampedes
from tests.bench.contest import ALWAYS, deprecated, each, reading, unwatched

pytestmark = deprecated


class TestStampedes:
    async def test_this_cache_loads_once_where_redis_py_loads_often(self, url: str, redis: Redis) -> None:
        async with ring(ALWAYS, url, redis, unwatched()) as opened, readers(2) as processes:
            ours, baseline = await stampedes(opened, ALWAYS, processes, url, runs=3)

        # A process that starved for longer than the cache waits for another one's load reads past it.
        assert min(ours.loads) == 1
        assert max(ours.loads) <= 2
        assert len(ours.loads) == len(baseline.loads) == 3
        assert READERS < max(baseline.loads) <= 2 * READERS
        assert ours.failed == baseline.failed == 0
        assert ours.last.low >= 50  # ms, of the load
        assert reading() == []

    @each(*GUARDED)
    async def test_libraries_answer_each_reader(self, entrant: Entrant, alone_in_the_ring: Ring, url: str) -> None:
        async with readers(2) as processes:
            (found,) = await stampedes(alone_in_the_ring, [entrant], processes, url, runs=1)

        assert 1 <= found.loads[0] <= 2 * READERS
        assert found.failed == 0


class TestReaders:
    def order(self, url: str, entrant: Entrant = REDIS_PY, patience: float = 5.0, then: int = 0) -> Order:
        return Order(entrant=entrant, url=url, id_="1", load=0.001, patience=patience, then=then)

    async def test_read_through_the_contender_that_is_named(self, url: str, redis: Redis) -> None:
        async with readers(1) as processes:
            answer = await processes.one(0, self.order(url, then=3))
        await redis.delete(*REDIS_PY.kind.names("1"))

        assert answer.loads == 1
        assert [read.load is None for read in (*answer.first, *answer.then)] == [False, True, True, True]
        assert all(read.ended and not read.error for read in (*answer.first, *answer.then))

    async def test_tell_the_error_that_a_read_ends_with(self) -> None:
        with refusing() as url:
            async with readers(1) as processes:
                answer = await processes.one(0, self.order(url))

        assert (answer.first[0].ended, answer.first[0].error) == (True, "ConnectionError")

    async def test_that_end_by_themselves_are_told(self, url: str, capfd: pytest.CaptureFixture[str]) -> None:
        nobody = Entrant("nobody", "qulab.lab.experiments.cache_contenders:Nobody", "")

        async with readers(1) as processes:
            with pytest.raises(ReaderFailed, match="A process of readers ended"):
                await processes.one(0, self.order(url, nobody))

        assert "has no attribute 'Nobody'" in capfd.readouterr().err
        assert reading() == []

    async def test_do_not_outlive_a_run_that_is_cancelled(self) -> None:
        async def run() -> None:
            async with hung() as url, readers(2) as processes:
                await processes.all(self.order(url, patience=60))

        running = asyncio.ensure_future(run())
        deadline = asyncio.get_running_loop().time() + 30
        while len(reading()) < 2:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        assert reading() == []

    async def test_end_with_their_starter_though_a_read_hangs(self) -> None:
        async with hung() as url:
            command = [sys.executable, "-m", "qulab.lab.experiments.cache_reader"]
            process = await asyncio.create_subprocess_exec(
                *command, cwd=django_settings.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            assert process.stdin is not None
            process.stdin.write(msgspec.json.encode(self.order(url, patience=60)) + b"\n")
            process.stdin.close()  # as the system does for one that was killed

            async with asyncio.timeout(30):
                assert await process.wait() == 0


class TestOutages:
    async def test_are_measured_with_a_redis_that_hangs_and_one_that_refuses(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cache_outages, "PATIENCE", 0.5)
        monkeypatch.setattr(cache_outages, "THEN", 20)

        async with readers(2) as processes:
            found = await outages([OURS, REDIS_PY], processes, unwatched())

        assert [one.name for one in found.hung] == [one.name for one in found.refusing] == ["this cache", "redis-py"]
        baseline = found.hung[1]
        assert (baseline.first.ended, baseline.first.load, len(baseline.then)) == (False, None, 1)
        assert {read.error for read in found.refusing[1].then} == {"ConnectionError"}
        refused = found.refusing[0]
        assert len(refused.then) == 20
        assert all(read.ended and not read.error and read.load is not None for read in (refused.first, *refused.then))

    async def test_the_product_reads_past_a_redis_that_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async with hung() as url, readers(1) as processes:
            as_served = Entrant("as served", "qulab.lab.experiments.cache_contenders:OursAsServed", "")
            order = Order(entrant=as_served, url=url, id_="1", then=20, load=0.001, patience=5.0)
            answer = await processes.one(0, order)

        reads = [*answer.first, *answer.then]
        assert len(reads) == 21
        assert all(read.ended and not read.error and read.load is not None for read in reads)
