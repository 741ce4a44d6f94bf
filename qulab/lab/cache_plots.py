"""H as it grew, and T_avg as H would change it: the second is the guide's formula, and only its dot was measured."""

from collections.abc import Sequence

import msgspec
from django.utils.translation import gettext as _

from qulab.cache.metrics import HITS
from qulab.lab import formulas
from qulab.lab.plots import Axis, Mark, Plot, Point, Series
from qulab.lab.plots.data import Colour


class Times(msgspec.Struct, frozen=True):
    """What T_avg is made of. Times in milliseconds."""

    ratio: float
    t_cache: float
    t_database: float

    @property
    def average(self) -> float:
        return formulas.average_ms(self.ratio, self.t_cache, self.t_database)

    @property
    def pays_from(self) -> float | None:
        """The H at which the cache is as quick as none; None where a look takes as long as a load, or longer."""
        return self.t_cache / self.t_database if self.t_cache < self.t_database else None


def ratio_over_time(outcomes: Sequence[str]) -> Plot:
    """H after each fetch."""
    hits, points = 0, []
    for number, outcome in enumerate(outcomes, 1):
        hits += outcome in HITS
        points.append(Point(number, hits / number))
    return Plot(
        name="ratio",
        title=_("H after each fetch"),
        caption=_(
            "An empty cache begins with misses; H climbs as the popular users come again. Dashed: where it ended."
        ),
        x=Axis(_("fetches"), low=0, high=len(outcomes) or 1),
        y=Axis("H", low=0, high=1),
        series=[Series("H", points, colour="cache", kind="line")],
        marks=[Mark("y", points[-1].y, f"H = {points[-1].y:.3f}")] if points else [],
    )


def average_over_ratio(measured: Times | None, mean: float | None, asked: Times | None) -> Plot:
    """T_avg for every H: with the times that were measured, and with those that are asked for."""
    series, shown = [], asked or measured
    if measured is not None:
        series.append(_line(_("T_avg, measured times"), measured, "cache"))
    if asked is not None:
        if measured is None or not _same_line(asked, measured):
            series.append(_line(_("T_avg, your times"), asked, "ink"))
        series.append(_model(_("at your H"), [Point(asked.ratio, 0), Point(asked.ratio, asked.average)], "ink"))
    if shown is not None:
        series.append(_model(_("no cache"), [Point(0, shown.t_database), Point(1, shown.t_database)], "database"))
    if measured is not None and mean is not None:
        series.append(Series(_("mean, measured"), [Point(measured.ratio, mean)], colour="cache", kind="dots"))
    from_ = shown.pays_from if shown else None
    return Plot(
        name="average",
        title=_("T_avg for every H"),
        caption=_(
            "Lines are the formula. The dot was measured: it lies above its line by what the formula leaves out."
        ),
        x=Axis("H", low=0, high=1),
        y=Axis(_("mean time"), "ms"),
        series=series,
        marks=[Mark("x", from_, _("pays from H = %(ratio).3f") % {"ratio": from_})] if from_ is not None else [],
    )


def _same_line(one: Times, other: Times) -> bool:
    """As far as a form shows them."""
    return all(round(getattr(one, name) - getattr(other, name), 3) == 0 for name in ("t_cache", "t_database"))


def _line(name: str, times: Times, colour: Colour) -> Series:
    ends = [msgspec.structs.replace(times, ratio=ratio) for ratio in (0.0, 1.0)]
    return _model(name, [Point(one.ratio, one.average) for one in ends], colour)


def _model(name: str, points: list[Point], colour: Colour) -> Series:
    return Series(name, points, colour=colour, kind="line", model=True)
