"""The page beside the sections: what a run measured is drawn, judged and put into the formulas, and nothing else."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from qulab.lab import runs
from qulab.lab.benches.simulation import extra, figures, gates, verdict
from qulab.lab.experiments import Bench
from qulab.lab.experiments.simulation import run
from qulab.lab.experiments.simulation_result import Served, SimulationParameters, SimulationResult
from qulab.lab.models import RunStatus
from qulab.lab.plots import Bars, Plot
from qulab.lab.simulation_plots import plots
from tests.lab.conftest import Lab, text_of

SMALL = {"examinees": 120, "seed": 3, "fast": "True"}


@pytest.fixture(scope="module")
async def result() -> SimulationResult:
    async with Bench(None) as bench:  # type: ignore[arg-type] # the pure core needs none
        return await run(SimulationParameters(examinees=120, seed=3), bench)


class TestRun:
    async def test_has_its_page_its_json_and_its_samples(self, lab: Lab, result: SimulationResult) -> None:
        saved = await lab.experiment("simulation", **SMALL, expected="inward")

        assert saved.result == result
        page = text_of(await lab.get(f"/lab/test?run={saved.id}"))
        assert "As you expected:" in page
        assert "Estimate by estimate" in page
        assert "Applied domain reasoning" in page
        assert "each of 10 banks has one error of difficulty an item" in page
        alone = text_of(await lab.get(f"/lab/runs/{saved.id}"))
        assert 'An experiment of the page <a href="/lab/test">How good is the test?</a>' in alone
        assert '"theta-coverage"' in text_of(await lab.get(f"/lab/runs/{saved.id}.json"))
        assert text_of(await lab.get(f"/lab/runs/{saved.id}.csv")).count("\n") == 121
        assert all(-4 < sample.x < 4 and -4 < sample.y < 4 for sample in saved.samples)

    async def test_through_the_services_tells_the_time_of_an_answer(self, lab: Lab) -> None:
        saved = await lab.experiment("simulation", examinees=20, seed=3, fast="False")

        served = saved.result.served
        assert (served.recalculated, served.estimated) == (0, 0)
        page = text_of(await lab.get(f"/lab/test?run={saved.id}"))
        assert f"{served.answers} answers went through the services" in page
        assert "One answer in the service, median, ms" in page

    @pytest.mark.parametrize(
        ("field", "fields"),
        [
            ("examinees", {"examinees": 19}),
            ("examinees", {"examinees": 20_001}),
            ("examinees", {"examinees": 201, "fast": "False"}),
            ("seed", {"seed": ""}),
            ("seed", {"seed": -1}),
            ("fast", {"fast": "perhaps"}),
        ],
    )
    async def test_out_of_bounds_is_told_at_the_field(self, lab: Lab, field: str, fields: dict[str, Any]) -> None:
        answer = await lab.send("/lab/runs/start/simulation", database="sqlite", **{**SMALL, **fields})

        assert answer.status_code == 422
        assert f'id="id_simulation_{field}_error"' in text_of(answer)

    async def test_two_of_them_compare(self, lab: Lab) -> None:
        first, second = [await lab.experiment("simulation", **{**SMALL, "seed": seed}) for seed in (1, 2)]

        page = text_of(await lab.get(f"/lab/compare?a={first.id}&b={second.id}"))

        assert "Coverage, θ" in page
        assert "Estimates over the truth" in page

    async def test_a_run_of_it_is_of_no_section(self, lab: Lab) -> None:
        saved = await lab.experiment("simulation", **SMALL)

        for number in range(1, 6):
            assert (await lab.get(f"/lab/{number}?run={saved.id}")).status_code == 404


class TestPage:
    async def test_says_that_a_real_bank_errs_alike_for_all(self, lab: Lab) -> None:
        assert "the bias of θ is near 0 by construction" in text_of(await lab.get("/lab/test"))

    async def test_is_no_sixth_section(self, lab: Lab) -> None:
        page = text_of(await lab.get("/lab/test"))

        assert "Beside the sections" in page
        assert "Section 0" not in page
        assert '<a href="/lab/test" aria-current="page">' in page
        assert page.count('aria-current="page"') == 1

    async def test_the_introduction_leads_to_it(self, lab: Lab) -> None:
        assert 'the page <a href="/lab/test">How good is the test?</a>' in text_of(await lab.get("/"))

    async def test_shows_the_factor_that_the_test_scores_with(self, lab: Lab) -> None:
        assert "0.936" in text_of(await lab.get("/lab/test"))


def shifted(result: SimulationResult, by: float) -> SimulationResult:
    """As if estimates lay so much further out than the truth."""
    bins = [msgspec.structs.replace(one, mean=one.at + (by if one.at > 0 else -by)) for one in result.by_truth]
    return msgspec.structs.replace(result, by_truth=bins)


class TestWhatIsShown:
    @pytest.mark.parametrize(("by", "right"), [(-0.4, "inward"), (0.0, "right"), (0.4, "outward")])
    def test_the_prediction_is_judged_by_those_far_out(self, result: SimulationResult, by: float, right: str) -> None:
        assert verdict(shifted(result, by)) == right

    def test_no_prediction_is_right_where_nobody_is_far_out(self, result: SimulationResult) -> None:
        near = [one for one in result.by_truth if abs(one.at) < 1]

        assert verdict(msgspec.structs.replace(result, by_truth=near)) == ""

    def test_each_plot_holds_what_was_measured(self, result: SimulationResult) -> None:
        estimates, coverage, errors, exposure, lengths, items = plots(result, {})

        assert isinstance(estimates, Plot)
        assert isinstance(coverage, Plot)
        assert isinstance(errors, Plot)
        assert isinstance(exposure, Plot)
        assert isinstance(lengths, Bars)
        assert isinstance(items, Bars)
        measured, truth = estimates.series
        assert [(p.x, p.y, p.low, p.high) for p in measured.points] == [
            (one.at, one.mean, one.low, one.high) for one in result.by_truth
        ]
        assert all(point.x == point.y for point in truth.points)
        assert truth.model
        assert [len(one.points) for one in coverage.series] == [len(result.by_estimate), len(result.by_truth)]
        assert [mark.at for mark in coverage.marks] == [95]
        assert [p.y for p in errors.series[1].points] == [one.accuracy.bias.value for one in result.by_truth]
        assert [p.y for p in exposure.series[0].points] == [one.percent for one in result.exposure]
        assert len(exposure.series[0].points) == 192
        assert [mark.at for mark in exposure.marks] == [90]
        assert sum(bar.value for bar in lengths.bars) == pytest.approx(100)
        assert [bar.value for bar in items.bars] == [
            result.comparison.adaptive_items,
            result.comparison.random_items,
        ]

    def test_a_gate_is_told_with_its_bound_its_figure_and_what_it_is(self, result: SimulationResult) -> None:
        served = msgspec.structs.replace(result, served=Served(900, 3.5, 8.0, 0, 0))
        missed = msgspec.structs.replace(served.gates[4], value=20.0, met=False)

        told = gates(msgspec.structs.replace(served, gates=[*served.gates[:4], missed]))

        assert [one.required for one in told] == ["94 to 96", "94 to 96", "within ±0.02", "at most 1.1", "at least 35"]
        assert (told[4].measured, told[4].met) == ("20.0", False)
        assert [figure.value for figure in figures(served)][-2:] == [3.5, 0]

    def test_formulas_hold_the_same_numbers_as_the_figures(self, result: SimulationResult) -> None:
        told = extra(saved(result))

        assert rf"{{{3 * 120}}} = {result.theta.coverage.value:.1f}" in told["filled"].coverage
        assert f"{result.comparison.saving.value:.1f}" in told["filled"].saving
        assert f"{result.comparison.ratio.value:.3f}" in told["filled"].ratio
        assert told["missed"] == len(result.missed) - len(result.by_chance)

    def test_fixed_banks_are_told_where_a_run_had_them(self, result: SimulationResult) -> None:
        biases = [one.air.bias.value for one in result.fixed_banks]

        told = extra(saved(result))["over_banks"]

        assert (told[1].low, told[1].high) == (f"{min(biases):.2f}", f"{max(biases):.2f}")
        assert extra(saved(msgspec.structs.replace(result, fixed_banks=[])))["over_banks"] == []

    def test_a_gate_that_chance_may_have_missed_is_told_so(self, result: SimulationResult) -> None:
        by_chance = msgspec.structs.replace(result.gates[0], value=96.5, se=1.0, met=False)
        plainly = msgspec.structs.replace(by_chance, value=99.0)

        told = extra(saved(msgspec.structs.replace(result, gates=[by_chance, plainly])))

        assert told["missed"] == 1  # beside the one that is undecided
        assert told["by_chance"] == ["Coverage of the 95 % interval of θ, %"]


def saved(result: SimulationResult) -> runs.SavedRun:
    return runs.SavedRun(
        id="any",
        kind="simulation",
        section=0,
        parameters={},
        result=result,
        environment={},
        at=datetime(2026, 1, 1, tzinfo=UTC),
        status=RunStatus.DONE,
    )
