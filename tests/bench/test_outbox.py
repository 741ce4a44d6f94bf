import asyncio
import time

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from qulab.cache import keys
from qulab.cache.client import create_redis
from qulab.lab.experiments import Bench, Busy, outbox
from qulab.lab.experiments.beside import beside
from qulab.lab.experiments.claim import LOCK, TO_DELETE, claimed
from qulab.lab.experiments.outbox import OutboxParameters
from tests.bench.conftest import Traces

SMALL = OutboxParameters(events=60, per_commit=20, timed=5, rate=100, repeats=2)


class TestCounts:
    async def test_a_batch_takes_four_statements_and_one_script_and_a_drain_two_and_three_more(
        self, bench: Bench
    ) -> None:
        result = await outbox.run(SMALL, bench)

        for one in result.rounds:
            assert one.statements == 4 * one.batches + 2
            assert one.commands == {"EVALSHA": one.batches + 1, "LPUSH": 1, "LTRIM": 1}

    async def test_every_event_is_published_and_every_timed_one_is_read(self, bench: Bench) -> None:
        result = await outbox.run(SMALL, bench)

        for one in result.rounds:
            assert (one.written, one.published, one.sent, len(one.latencies)) == (60, 60, 5, 5)
            assert min(one.latencies) > 0
        assert result.p50 is not None
        assert result.p50.n == result.writing.n == 2

    async def test_ends_when_its_time_is_up_and_says_what_is_missing(self, bench: Bench) -> None:
        began = time.monotonic()

        result = await outbox.run(OutboxParameters(events=50_000, per_commit=1, seconds=1, repeats=20), bench)

        assert time.monotonic() - began < 8
        assert len(result.rounds) == 1
        assert result.rounds[0].written < 50_000


class TestCancel:
    async def test_ends_within_a_second_and_leaves_nothing(self, bench: Bench, traces: Traces) -> None:
        seen: list[int] = []
        long = OutboxParameters(events=3000, per_commit=1, repeats=20)
        running = asyncio.create_task(outbox.run(long, bench, lambda done, _total: seen.append(done)))
        async with asyncio.timeout(20):
            while len(seen) < 20:
                await asyncio.sleep(0.01)

        began = time.monotonic()
        running.cancel()
        await asyncio.wait({running})

        assert running.cancelled()
        assert time.monotonic() - began < 1.0
        assert await traces.keys() == {}
        assert await traces.places() == 0


class TestSamples:
    async def test_are_the_latencies_one_by_one(self, bench: Bench) -> None:
        result = await outbox.run(SMALL, bench)

        latencies = sorted(value for one in result.rounds for value in one.latencies)
        assert sorted(one.y for one in bench.samples.kept) == pytest.approx(latencies)


class TestWakeUp:
    async def test_a_commit_wakes_the_relay_of_the_run_and_no_other(
        self, bench: Bench, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hinted: list[Redis] = []
        push = outbox_push()

        async def watched(streams: Redis) -> None:
            hinted.append(streams)
            await push(streams)

        monkeypatch.setattr("qulab.lab.experiments.outbox_setting.push_hint", watched)
        monkeypatch.setattr("outbox.wake.push_hint", watched)

        await outbox.run(SMALL, bench)

        assert len(hinted) >= 2 * (3 + 5)
        assert streams_client not in hinted
        assert await streams_client.llen(keys.WAKE) == 0


def outbox_push() -> object:
    from outbox.wake import push_hint

    return push_hint


class TestClaim:
    async def test_a_second_run_on_the_same_redis_is_refused_while_the_first_works(
        self, bench: Bench, traces: Traces
    ) -> None:
        async with claimed(bench.redis(text=True), ["some"], seconds=5):
            with pytest.raises(Busy):
                await outbox.run(SMALL, bench)

        assert await traces.keys() == {}
        assert await traces.places() == 0

    async def test_the_keys_of_a_run_that_was_killed_go_with_the_next(self, bench: Bench, traces: Traces) -> None:
        redis = bench.redis(text=True)
        await redis.sadd(TO_DELETE, "events:left")  # its lock has expired
        await redis.xadd("events:left", {"event": "x"})

        await outbox.run(SMALL, bench)

        assert await traces.keys() == {}

    async def test_the_place_is_free_again_by_itself(self, bench: Bench) -> None:
        redis = bench.redis(text=True)
        async with claimed(redis, ["some"], seconds=5):
            assert 0 < await redis.pttl(LOCK) <= 5000


class TestFaults:
    async def test_without_redis_it_fails_before_it_makes_anything(
        self, bench: Bench, traces: Traces, settings: object
    ) -> None:
        settings.REDIS_SCRATCH_URL = "redis://127.0.0.1:1/4"  # type: ignore[attr-defined]

        with pytest.raises(RedisError):
            await outbox.run(SMALL, bench)

        assert await traces.places() == 0

    async def test_what_runs_beside_ends_with_its_block_and_its_failure_is_told(self) -> None:
        ended = asyncio.Event()

        async def endless() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        async def fails() -> None:
            raise ZeroDivisionError

        async with beside(endless()):
            await asyncio.sleep(0)
        with pytest.raises(ZeroDivisionError):
            async with beside(fails()):
                await asyncio.sleep(0)

        assert ended.is_set()


async def test_commands_of_a_pipeline_are_counted_one_by_one(redis_url: str) -> None:
    from qulab.lab.measure import count_commands

    client = create_redis(redis_url, timeout=5.0)
    sent = count_commands(client)

    await client.set("a", 1)
    before = sent.copy()
    async with client.pipeline(transaction=False) as pipeline:
        pipeline.get("a")
        pipeline.get("b")
        await pipeline.execute()
    await client.aclose()

    assert before["SET"] == 1
    assert sent - before == {"GET": 2}
