"""Writers are real processes, killed for real; the first flush comes a second after the first write, and too late."""

import asyncio
import time
from contextlib import suppress
from typing import Any

import msgspec
import psutil
import pytest

from accounts.models import User
from qulab.lab.experiments import Bench, cache_contest
from qulab.lab.experiments.cache_contest import contest
from qulab.lab.experiments.cache_kills import Killed, WriterFailed, Writers, lost, moment, writers
from qulab.lab.experiments.cache_pairs import ContestParameters
from qulab.lab.experiments.cache_strategies import STRATEGIES
from qulab.lab.experiments.cache_writer import Order, Said
from qulab.lab.scratch import Place, place_of
from tests.bench.conftest import Traces, Watched
from tests.bench.test_cache_strategies import store

IDS = [str(number) for number in range(3)]


@pytest.fixture
def only_write_heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_contest, "KILLED", [(name, "write-heavy") for name in STRATEGIES])


KILLING = ContestParameters(operations=10, concurrency=2, users=20, repeats=1, kills=1, period_ms=1000)


@pytest.mark.usefixtures("only_write_heavy")
class TestLostWrites:
    async def test_are_those_of_write_behind_alone(self, bench: Bench, traces: Traces, progress: Watched) -> None:
        before = await traces.all()

        result = await contest(KILLING, bench, progress)

        found = {name: result.of(name, "write-heavy") for name in STRATEGIES}
        assert all(one.acknowledged > 0 for one in found.values())
        assert found["write-behind"].lost == found["write-behind"].acknowledged
        assert [one.lost for name, one in found.items() if name != "write-behind"] == [0] * 4
        assert progress.reached_its_total
        assert await traces.all() == before
        assert writing() == []

    async def test_a_run_that_is_cancelled_ends_within_a_second_and_no_writer_outlives_it(
        self, bench: Bench, traces: Traces
    ) -> None:
        before = await traces.all()
        run = asyncio.ensure_future(contest(KILLING, bench))
        await until_there_are(2)

        cancelled_at = time.monotonic()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

        assert time.monotonic() - cancelled_at < 1.0
        assert writing() == []
        assert await traces.all() == before

    async def test_not_even_one_whose_process_id_was_not_heard_yet(
        self, bench: Bench, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Writers, "_heard", lambda _self: asyncio.Event().wait())

        async with bench.scratch(User) as scratch:
            await store(scratch, IDS)  # so that it writes until it is killed
            place = await place_of(scratch)
            async with asyncio.timeout(30), writers() as ready:
                asking = asyncio.ensure_future(ready.killed(order_in(place, settings.REDIS_SCRATCH_URL), 0))
                await until_there_are(2)
                asking.cancel()

        assert writing() == []

    async def test_a_writer_that_ends_by_itself_is_told(self, bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
        order = order_in(Place("sqlite+aiosqlite:////nowhere/at/all.db", ""), "redis://127.0.0.1:1/4")

        async with writers() as ready:
            with pytest.raises(WriterFailed):
                await ready.killed(order, 0)

        assert "unable to open database file" in capfd.readouterr().err
        assert writing() == []

    def test_a_write_is_lost_where_the_database_has_no_such_version_or_newer(self) -> None:
        acknowledged = [
            Said(id="a", version=2),
            Said(id="a", version=3),
            Said(id="a", version=4),
            Said(id="b", version=2),
        ]

        assert lost(acknowledged, {"a": 3, "b": 2}) == Killed(acknowledged=4, lost=1)

    def test_the_moment_is_given_by_seed_pattern_and_number_and_not_by_the_strategy(self) -> None:
        order = order_in(Place("", ""), "")
        other = msgspec.structs.replace(order, strategy="write-behind")

        assert moment(order, 0) == moment(other, 0) != moment(other, 1)


def order_in(place: Place, redis_url: str) -> Order:
    return Order(
        place=place,
        redis_url=redis_url,
        strategy="write-through",
        pattern="write-heavy",
        ids=IDS,
        users=3,
        seed=1,
        period=1.0,
    )


async def until_there_are(processes: int) -> None:
    """The one that forks, and then its fork."""
    deadline = asyncio.get_running_loop().time() + 30
    while len(writing()) < processes:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.005)


def writing() -> list[int]:
    """Processes of writers below this one."""
    found = psutil.Process().children(recursive=True)
    return [one.pid for one in found if any("cache_writer" in word for word in command_of(one))]


def command_of(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []
