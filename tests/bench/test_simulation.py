"""Simulated people go through the services on both databases, and come out as the pure core says."""

import io
import json
from typing import Any

import msgspec
import numpy as np
import pytest
from django.core.management.base import CommandError
from redis.asyncio import Redis
from sqlalchemy import func, select, update

from accounts.models import User
from assessments import sittings
from assessments.examinees import BLOCK, Examinees, examinees
from assessments.models import AIRScore, Response, Sitting, Status
from assessments.scoring import recalculate
from assessments.simulation import take
from qulab.cache.read_through import Cache
from qulab.db.engine import Database
from qulab.db.probe import probe
from qulab.lab.experiments import Bench, simulation, simulation_services
from qulab.lab.experiments.options import BadOption, parsed
from qulab.lab.experiments.simulation_fixed import BANKS, errors_of, fixed_banks, sit_on_fixed_banks
from qulab.lab.experiments.simulation_measures import Readings, joined, pools, sit_all
from qulab.lab.experiments.simulation_result import (
    Estimated,
    Gate,
    SimulationParameters,
    SimulationResult,
    mean_of,
    ratio_of,
    root_of,
)
from qulab.lab.experiments.simulation_rows import GATES, required, rows, verdict
from qulab.lab.experiments.simulation_services import Services, differing
from qulab.lab.experiments.tables import lines
from qulab.management.commands.simulate import Command
from tests.bench.conftest import Traces, Watched

FAST = SimulationParameters(examinees=60, seed=4)


def some(count: int) -> Examinees:
    (people,) = examinees(11, count)
    return people


def unseen(_done: int) -> None:
    """Of a run that nobody watches."""


class TestThroughTheServices:
    async def test_25_people_get_the_estimates_of_the_pure_core_and_scores_that_recalculate(
        self, bench: Bench, traces: Traces, progress: Watched
    ) -> None:
        before = await traces.all()
        parameters = SimulationParameters(examinees=25, seed=4, fast=False)

        result = await simulation.run(parameters, bench, progress)
        core = await simulation.run(msgspec.structs.replace(parameters, fast=True), bench)

        assert result.served is not None
        assert (result.served.recalculated, result.served.estimated) == (0, 0)
        assert result.served.answers == round(sum(one.items for one in result.components) * 25)
        assert 0 < result.served.p50 <= result.served.p95
        assert result.air.coverage == core.air.coverage
        assert result.theta.rmse.value == pytest.approx(core.theta.rmse.value, abs=1e-9)
        assert result.exposure == core.exposure
        assert [gate.name for gate in result.gates] == list(GATES)
        assert progress.reached_its_total
        assert await traces.all() == before

    async def test_each_is_a_person_with_a_sitting_that_is_completed(
        self, database: Database, cache: Cache, streams_client: Redis
    ) -> None:
        services, people = Services(database), some(3)

        await services.sit_all(people, unseen)

        async with database.reading() as session:
            found = (await session.execute(select(Sitting.status, Sitting.seed, Sitting.occupation_code))).all()
            assert await session.scalar(select(func.count(User.id))) == 3
            assert await session.scalar(select(func.count()).where(Response.answered_at.is_(None))) == 0
        assert {(status, seed, code) for status, seed, code in found} == {
            (Status.COMPLETED, people.seeds[number], people.code(number)) for number in range(3)
        }

    async def test_a_step_sends_the_same_number_of_statements_wherever_it_stands_in_the_test(
        self, database: Database, cache: Cache, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counts: list[int] = []
        answer = sittings.answer

        async def counted(*given: Any, **named: Any) -> Status:
            with probe(database.engine) as opened:
                status = await answer(*given, **named)
            counts.append(opened.count)
            return status

        monkeypatch.setattr(sittings, "answer", counted)
        services, people = Services(database), some(4)

        readings = await services.sit_all(people, unseen)

        ends = np.cumsum(readings.length.ravel()) - 1
        within = set(np.delete(counts, ends).tolist())
        assert len(within) == 1, counts
        assert max(within) <= 5
        by_component = np.array(counts)[ends].reshape(-1, 3)
        assert [len(set(of_one)) for of_one in by_component.T.tolist()] == [1, 1, 1], by_component

    async def test_one_block_of_people_comes_after_another(
        self, database: Database, cache: Cache, streams_client: Redis
    ) -> None:
        services = Services(database)

        for block in (some(2), some(1)):
            await services.sit_all(block, unseen)

        assert services.told(0).answers == len(services.times) > 60
        async with database.reading() as session:
            assert await session.scalar(select(func.count(AIRScore.id))) == 3

    async def test_a_score_that_was_tampered_with_is_counted(
        self, database: Database, cache: Cache, streams_client: Redis
    ) -> None:
        services, people = Services(database), some(2)
        readings = await services.sit_all(people, unseen)
        async with database.writing() as session:
            ids = list(await session.scalars(select(User.id).order_by(User.id)))
            await session.execute(update(AIRScore).values(air_score=AIRScore.air_score + 1e-9))
            await session.commit()

        tampered = await services._read(people, ids)

        assert services.recalculated == 2
        assert differing(readings, readings) == 0
        assert differing(readings, tampered) == 2

    async def test_what_is_stored_is_recalculated_from_its_text(
        self, database: Database, cache: Cache, streams_client: Redis
    ) -> None:
        await Services(database).sit_all(some(2), unseen)

        async with database.reading() as session:
            scores = list(await session.scalars(select(AIRScore)))
        for stored in scores:
            again = recalculate(json.loads(json.dumps(stored.calculation_metadata)))
            assert (again.air, again.ci_lower, again.ci_upper) == (stored.air_score, stored.ci_lower, stored.ci_upper)

    async def test_another_test_than_the_cores_is_seen(self) -> None:
        people = some(5)
        core = Readings.of(people, sit_all(people))
        longer, shown = core.length.copy(), core.shown.copy()
        longer[2, 1] += 1
        shown[0, :2] = shown[0, 1], shown[0, 0] + 1

        assert differing(core, msgspec.structs.replace(core, length=longer)) == 1
        assert differing(core, msgspec.structs.replace(core, theta=core.theta + 1e-9)) == 5
        assert differing(core, msgspec.structs.replace(core, shown=shown)) == 5

    async def test_what_follows_a_commit_goes_to_the_applications_places_again_afterwards(
        self, bench: Bench, cache: Cache, streams_client: Redis
    ) -> None:
        async with simulation_services.serving(bench):
            assert simulation_services.streams.get() is not streams_client
            assert simulation_services.caches.get() is not cache

        assert simulation_services.streams.get() is streams_client
        assert simulation_services.caches.get() is cache


class TestStandardErrors:
    """Against the spread over 400 repetitions with 300 readings each, which is known to 4 %."""

    random = np.random.default_rng(5)
    above = random.gamma(4, 1, (400, 300))
    below = above * 0.3 + random.gamma(6, 1, (400, 300))

    def test_of_a_mean(self) -> None:
        self.is_the_spread([mean_of(one) for one in self.above])

    def test_of_a_root(self) -> None:
        self.is_the_spread([root_of(one) for one in self.above])

    @pytest.mark.parametrize("power", [1.0, 0.5])
    def test_of_a_ratio_over_the_same_examinees(self, power: float) -> None:
        pairs = zip(self.above, self.below, strict=True)
        self.is_the_spread([ratio_of(above, below, power=power) for above, below in pairs])

    def is_the_spread(self, found: list[Estimated]) -> None:
        stated = np.mean([one.se for one in found])

        assert np.std([one.value for one in found]) == pytest.approx(stated, rel=0.15)


class TestGates:
    @pytest.mark.parametrize(
        ("bounds", "value", "met"),
        [
            ({"low": 94.0, "high": 96.0}, 94.0, True),
            ({"low": 94.0, "high": 96.0}, 96.01, False),
            ({"low": 94.0, "high": 96.0}, 93.99, False),
            ({"low": 35.0}, 35.0, True),
            ({"low": 35.0}, 34.9, False),
            ({"high": 90.0}, 90.0, True),
            ({"high": 5.0, "below": True}, 5.0, False),
            ({"high": 5.0, "below": True}, 4.99, True),
        ],
    )
    def test_is_met_by_the_figure_alone(self, bounds: dict[str, Any], value: float, met: bool) -> None:
        assert Gate.of("any", Estimated(value, 10.0), **bounds).met is met

    def test_the_bias_must_stay_below_its_bound_on_both_sides(self) -> None:
        assert [gate.met for gate in map(_bias, (-0.02, -0.019, 0.019, 0.02))] == [False, True, True, False]


def _bias(value: float) -> Gate:
    return Gate.of("theta-bias", Estimated(value, 0.001), low=-0.02, high=0.02, below=True)


class TestReport:
    async def test_says_which_gates_are_met_and_which_are_missed_with_the_figure_beside(self, bench: Bench) -> None:
        result = await simulation.run(FAST, bench)
        missed = [msgspec.structs.replace(result.gates[0], value=80.0, met=False), *result.gates[1:]]
        worse = msgspec.structs.replace(result, gates=missed)

        text = "\n".join(lines(rows(worse)))

        assert "coverage of the 95 % interval of θ, %" in text
        assert "80.00" in text
        assert "MISSED" in text
        assert verdict(worse).startswith(f"{len(worse.missed)} of 6 gates are missed: coverage of the 95 % interval")
        assert required(result.gates[4]) == "at least 35"
        assert "chance" not in verdict(msgspec.structs.replace(worse, gates=missed[:1]))
        closer = msgspec.structs.replace(missed[0], value=93.9)
        assert "With 60 examinees chance" in verdict(msgspec.structs.replace(worse, gates=[closer]))

    async def test_says_what_fixed_banks_give_beside_the_gates(self, bench: Bench) -> None:
        result = await simulation.run(FAST, bench)
        biases = [one.theta.bias.value for one in result.fixed_banks]
        before = msgspec.structs.replace(result, fixed_banks=[])

        (told,) = [one for one in rows(result).further if one.headings[0] == "over fixed banks"]

        assert told.rows[0][:3] == ["bias of θ", f"{min(biases):.3f}", f"{max(biases):.3f}"]
        assert len(biases) == 10
        assert "each of 10 banks has one error an item for all of its examinees, at most 6" in told.notes[0]
        assert "over fixed banks" not in "\n".join(lines(rows(before)))

    async def test_a_fixed_bank_has_the_same_errors_for_all_blocks_of_its_examinees(self) -> None:
        people = [*examinees(2, BLOCK + BANKS)]
        parts = [sit_on_fixed_banks(one, seed=2) for one in people]

        found = fixed_banks(joined(parts))

        errors = errors_of(2, 1, 64)
        of_first = [sit_on_fixed_banks(one, seed=2).theta[0, 1] for one in people]
        again = [
            take(pools()[1].pool, one.ability[:1, 1], one.chance[1].of_some(slice(1)), errors[:1]).theta[0]
            for one in people
        ]
        assert of_first == again
        assert [one.examinees for one in found] == [BLOCK // BANKS + 1] * BANKS
        expected = np.concatenate([one.theta[3::BANKS] - one.ability[3::BANKS] for one in parts]).mean()
        assert found[3].theta.bias.value == pytest.approx(expected)
        assert len({tuple(one) for one in errors.tolist()}) == BANKS

    async def test_the_same_seed_gives_the_same_figures_on_both_databases(self, bench: Bench) -> None:
        first, second = [await simulation.run(FAST, bench) for _ in range(2)]
        other = await simulation.run(msgspec.structs.replace(FAST, seed=5), bench)

        assert first == second
        assert first.theta != other.theta

    async def test_more_than_a_block_of_examinees_are_all_counted(self, bench: Bench, progress: Watched) -> None:
        result = await simulation.run(SimulationParameters(examinees=520, seed=2), bench, progress)

        assert result.examinees == 520
        assert [sum(each.tests for each in one.lengths) for one in result.components] == [520, 520, 520]
        assert len(bench.samples.kept) == 520
        assert progress.told == [(0, 520), (500, 520), (520, 520)]


class TestCommand:
    async def test_json_is_one_document_with_the_gates(self, database: Database) -> None:
        document = json.loads(await simulate("--fast", "--examinees", "40", "--seed", "3", "--json"))

        assert document["parameters"] == {"examinees": 40, "seed": 3, "fast": True}
        result = msgspec.convert(document["result"], SimulationResult)
        assert [gate.name for gate in result.gates] == list(GATES)[:6]

    async def test_goes_through_the_services_unless_it_is_to_be_fast(self, database: Database, redis_url: str) -> None:
        text = await simulate("--examinees", "20")

        assert "one answer in the service, median, ms" in text
        assert "examinees whom services and pure core estimate otherwise" in text

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            (["--examinees", "2001"], "At most 2,000 examinees can go through the services."),
            (["--examinees", "20001", "--fast"], "--examinees is 20001: it takes a whole number from 20 to 20,000."),
            (["--seed", "x"], "--seed is x: it takes a whole number from 0 to 999,999."),
        ],
    )
    async def test_what_is_out_of_bounds_is_told_in_one_line(
        self, database: Database, given: list[str], told: str
    ) -> None:
        with pytest.raises(CommandError) as refused:
            await simulate(*given)

        assert str(refused.value) == told

    def test_bounds_that_hold_together_are_those_of_the_parameters(self) -> None:
        assert parsed(SimulationParameters, {"examinees": "20000"}).examinees == 20_000
        with pytest.raises(BadOption):
            parsed(SimulationParameters, {"examinees": "20000", "fast": "false"})


async def simulate(*arguments: str) -> str:
    out = io.StringIO()
    command = Command(stdout=out, no_color=True)
    await command.execute_async(**vars(command.create_parser("manage.py", "simulate").parse_args(list(arguments))))
    return out.getvalue()
