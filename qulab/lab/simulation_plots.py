"""How good the test is, drawn: beside what holds on average stands where it holds less."""

from typing import Any

from django.utils.translation import gettext as _

from qulab.lab.experiments.simulation_result import Bin, Estimated, SimulationResult
from qulab.lab.plots import Axis, Bar, Bars, Mark, Plot, Point, Series


def plots(result: SimulationResult, _what_if: Any) -> list[Plot | Bars]:
    return [_estimates(result), _coverage(result), _errors(result), _exposure(result), _lengths(result), _items(result)]


def _estimates(result: SimulationResult) -> Plot:
    ends = [one.at for one in (result.by_truth[0], result.by_truth[-1])]
    return Plot(
        name="simulation-estimates",
        title=_("Estimates over the truth"),
        caption=_(
            "Means, all components together; the whiskers hold 95 % of the estimates. On the dashed line an estimate "
            "would be the truth: at the ends estimates lie nearer to the middle."
        ),
        x=_theta(),
        y=Axis(_("estimate"), "θ", low=-3, high=3),
        series=[
            Series(_("estimate"), [Point(one.at, one.mean, one.low, one.high) for one in result.by_truth], "app"),
            Series(_("the truth"), [Point(end, end) for end in ends], "ink", model=True),
        ],
    )


def _theta(label: str = "") -> Axis:
    return Axis(label or _("true θ"), low=-3.5, high=3, ticks=[-3, -2, -1, 0, 1, 2, 3])


def _coverage(result: SimulationResult) -> Plot:
    lowest = min(one.accuracy.coverage.low for one in [*result.by_truth, *result.by_estimate])
    ticks = [float(tick) for tick in range(max(0, int(lowest // 10) * 10), 101, 10)]
    return Plot(
        name="simulation-coverage",
        title=_("How many intervals hold the truth"),
        caption=_(
            "Over all people 95 of a hundred, and likewise among those who got a like estimate. Among those whose true "
            "θ lies far out it is fewer. Whiskers: what chance may do with so many."
        ),
        x=_theta(_("true θ, or estimate")),
        y=Axis(_("coverage"), "%", low=ticks[0], high=100, ticks=ticks),
        series=[
            Series(_("by estimate"), [_covered(one) for one in result.by_estimate], "app"),
            Series(_("by true θ"), [_covered(one) for one in result.by_truth], "event"),
        ],
        marks=[Mark("y", 95, "95 %")],
    )


def _covered(one: Bin) -> Point:
    held = one.accuracy.coverage
    return Point(one.at, held.value, max(held.low, 0.0), min(held.high, 100.0))


def _errors(result: SimulationResult) -> Plot:
    return Plot(
        name="simulation-errors",
        title=_("Bias and RMSE over the truth"),
        caption=_(
            "Bias is the mean error: above 0 on the left, below it on the right, and 0 on average. RMSE is what an "
            "estimate is off by, bias included."
        ),
        x=_theta(),
        y=Axis(_("error"), "θ"),
        series=[
            Series(_("RMSE"), [_point(one, one.accuracy.rmse) for one in result.by_truth], "app"),
            Series(_("bias"), [_point(one, one.accuracy.bias) for one in result.by_truth], "event"),
        ],
    )


def _point(one: Bin, of: Estimated) -> Point:
    return Point(one.at, of.value, of.low, of.high)


def _exposure(result: SimulationResult) -> Plot:
    shown = [Point(rank, one.percent) for rank, one in enumerate(result.exposure, 1)]
    return Plot(
        name="simulation-exposure",
        title=_("How often each item is shown"),
        caption=_("The items of the bank, the most shown first. None may be shown to more than 90 of a hundred."),
        x=Axis(_("items, by how often they are shown"), low=0, high=len(shown)),
        y=Axis(_("shown to"), "%", low=0, high=100),
        series=[Series(_("shown to"), shown, "app", "line")],
        marks=[Mark("y", 90, _("at most 90 %"))],
    )


def _lengths(result: SimulationResult) -> Bars:
    of_components = [[each.tests for each in one.lengths] for one in result.components]
    shares = [100 * sum(counts) / (3 * result.examinees) for counts in zip(*of_components, strict=True)]
    lengths = [one.items for one in result.components[0].lengths]
    taken = [(items, share) for items, share in zip(lengths, shares, strict=True) if share]
    return Bars(
        name="simulation-lengths",
        title=_("How long the tests are"),
        caption=_(
            "All components. A test ends when its posterior SD is .50 or less, after 8 items at the earliest, and "
            "after 15 in any case. The shortest here took %(shortest)s."
        )
        % {"shortest": taken[0][0]},
        unit=_("% of tests"),
        bars=[
            Bar(_("%(items)s items") % {"items": items}, share, colour="app", text=f"{share:.1f} %")
            for items, share in taken
        ],
    )


def _items(result: SimulationResult) -> Bars:
    adaptive, at_random = result.comparison.adaptive_items, result.comparison.random_items
    return Bars(
        name="simulation-items",
        title=_("Items for the same precision"),
        caption=_("Random choice goes on until each examinee's posterior SD is what their adaptive test came to."),
        unit=_("items of a component"),
        bars=[
            Bar(_("adaptive"), adaptive, colour="app", text=f"{adaptive:.1f}"),
            Bar(_("at random"), at_random, colour="ink", text=f"{at_random:.1f}"),
        ],
    )
