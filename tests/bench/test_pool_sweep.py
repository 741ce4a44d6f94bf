"""What a sweep must get right whatever the machine does: who may open how many, and what is worked out of readings."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import event

from qulab.db.engine import Database
from qulab.lab.experiments import Bench, pool_sweep
from qulab.lab.experiments.pool_sweep import EACH_TIME, POOL, Step, SweepParameters, SweepResult, Way
from qulab.lab.measure import Spread

SMALL = SweepParameters(size=4, overflow=1, concurrency=4, requests=16, work_ms=2, repeats=2)


def step(size: int, throughput: float, hold: float = 10.0, most: int | None = None) -> Step:
    of = Spread(throughput, throughput, throughput, 1)
    zero = Spread(0.0, 0.0, 0.0, 1)
    return Step(size, size if most is None else most, 100, of, zero, zero, Spread(hold, hold, hold, 1), zero, 0, 0, [])


def swept(*throughputs: tuple[int, float], concurrency: int = 10) -> SweepResult:
    return SweepResult(concurrency, 0, 10, "sqlite", [Way(POOL, [step(*one) for one in throughputs])])


class TestSweep:
    async def test_no_size_opens_more_than_it_may_and_all_requests_are_served(self, bench: Bench) -> None:
        result = await pool_sweep.run(SMALL, bench)

        assert [way.name for way in result.ways] == [POOL, EACH_TIME]
        for way in result.ways:
            assert [(one.size, one.most) for one in way.steps] == [(1, 2), (2, 3), (4, 5)]
            assert all(0 < one.peak <= min(one.most, 4) for one in way.steps)
            assert all(one.throughput.n == 2 for one in way.steps)
            assert way.failed == 0
        assert result.pool.at(1).hold.low >= 2  # the work was done

    async def test_only_the_pool_keeps_its_connections(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        opened: list[int] = []

        class Counted(Database):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(*arguments, **options)
                place = len(opened)
                opened.append(0)

                @event.listens_for(self.engine.sync_engine, "connect")
                def count(*_: Any) -> None:
                    opened[place] += 1

        monkeypatch.setattr("qulab.db.engine.Database", Counted)

        await pool_sweep.run(msgspec.structs.replace(SMALL, size=1, overflow=0, repeats=1), bench)

        *_scratch, kept, each_time = opened
        assert kept == 1
        assert each_time == 16  # requests

    async def test_without_the_second_way_there_is_one(self, bench: Bench) -> None:
        result = await pool_sweep.run(msgspec.structs.replace(SMALL, each_time=False, repeats=1), bench)

        assert result.each_time is None
        assert {sample.series for sample in bench.samples.kept} == {POOL}
        assert [sample.x for sample in bench.samples.kept] == [1, 2, 4]


class TestParameters:
    def test_sizes_end_with_the_largest(self) -> None:
        assert SweepParameters(size=16).sizes == [1, 2, 4, 8, 12, 16]
        assert SweepParameters(size=5).sizes == [1, 2, 4, 5]
        assert SweepParameters(size=1).sizes == [1]

    def test_small_pools_get_fewer_requests_but_enough_for_a_line(self) -> None:
        parameters = SweepParameters(size=16, concurrency=12, requests=120)

        assert [parameters.requests_for(size) for size in parameters.sizes] == [24, 24, 40, 80, 120, 120]
        assert SweepParameters(requests=3).requests_for(1) == 3


class TestModel:
    def test_is_littles_law_with_the_time_of_the_smallest_pool(self) -> None:
        result = swept((1, 100.0), (20, 900.0))

        assert [result.model(size) for size in (1, 5, 10, 20)] == [100, 500, 1000, 1000]

    def test_overflow_counts_as_connections(self) -> None:
        result = msgspec.structs.replace(swept((1, 100.0)), overflow=4)

        assert result.model(1) == 500


class TestKnee:
    def test_is_the_smallest_pool_that_nearly_has_the_most(self) -> None:
        assert swept((1, 100), (4, 400), (8, 610), (12, 640), (16, 630)).knee.size == 8
        assert swept((1, 100), (4, 400), (8, 500), (12, 640), (16, 630)).knee.size == 12

    @pytest.mark.parametrize(
        ("throughputs", "bend"),
        [
            (((1, 100.0), (4, 390.0), (8, 400.0), (12, 410.0)), "before"),
            (((1, 100.0), (4, 400.0), (10, 900.0), (12, 910.0)), "concurrency"),
            (((1, 100.0), (4, 400.0)), "never"),
            (((1, 100.0),), "never"),
        ],
    )
    def test_lies_before_at_or_beyond_what_requests_need(
        self, throughputs: tuple[tuple[int, float], ...], bend: str
    ) -> None:
        assert swept(*throughputs).bend == bend
