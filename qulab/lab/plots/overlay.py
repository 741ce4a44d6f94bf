"""Two runs in one picture: each keeps its colours and shapes, and the second is hollow and dashed."""

from collections.abc import Callable

from msgspec.structs import replace

from qulab.lab.plots.data import Axis, Plot, Series
from qulab.lab.plots.shapes import shaped


def overlay(a: Plot, b: Plot, names: tuple[str, str] = ("A", "B")) -> Plot:
    """Both plots of one kind in the axes of both. What the model says alike of both stands once."""
    first, second = shaped(a.series), shaped(b.series)
    alike = [one for one in first if one.model and one in second]
    series = [
        *alike,
        *(_of(names[0], one) for one in first if one not in alike),
        *(replace(_of(names[1], one), second=True) for one in second if one not in alike),
    ]
    marks = [*a.marks, *(mark for mark in b.marks if mark not in a.marks)]
    return replace(a, x=_both(a.x, b.x), y=_both(a.y, b.y), series=series, marks=marks)


def _of(run: str, series: Series) -> Series:
    return replace(series, name=f"{run}: {series.name}")


def _both(a: Axis, b: Axis) -> Axis:
    return replace(a, low=_wider(min, a.low, b.low), high=_wider(max, a.high, b.high), ticks=_all_ticks(a, b))


def _wider(choose: Callable[[float, float], float], a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else choose(a, b)


def _all_ticks(a: Axis, b: Axis) -> list[float] | None:
    return None if a.ticks is None or b.ticks is None else sorted({*a.ticks, *b.ticks})
