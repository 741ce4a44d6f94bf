"""What is drawn can also be read: a sentence for who does not see it, and every number in a table."""

from collections.abc import Sequence

import msgspec
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from qulab.lab.plots.bars import draw_bars, value_of
from qulab.lab.plots.data import Axis, Bars, Plot, Point, Series
from qulab.lab.plots.drawing import Drawing, draw_plot
from qulab.lab.plots.scales import number
from qulab.lab.plots.shapes import path, shaped

MOST_ROWS = 60  # of the table on the page; the run's CSV has all
DASH = "–"


class Key(msgspec.Struct, frozen=True):
    """An entry of the legend, with the dot as it is drawn."""

    name: str
    css: str
    dot: str  # empty for a model: it has a dashed line alone
    line: bool


class Numbers(msgspec.Struct, frozen=True):
    headings: list[str]
    rows: list[list[str]]
    note: str = ""


class View(msgspec.Struct, frozen=True):
    name: str
    title: str
    caption: str
    sentence: str
    drawings: list[Drawing]
    keys: list[Key]
    numbers: Numbers
    labelled: bool  # the wide drawing needs no legend
    note: str = ""


def view(one: Plot | Bars) -> View:
    return _bars(one) if isinstance(one, Bars) else _plot(one)


def _plot(plot: Plot) -> View:
    drawings = draw_plot(plot)
    series = shaped(plot.series)
    return View(
        name=plot.name,
        title=plot.title,
        caption=plot.caption,
        sentence=_sentence(plot),
        drawings=drawings,
        keys=[_key(one) for one in series] if len(series) > 1 or any(one.model for one in series) else [],
        numbers=_numbers(plot),
        labelled=drawings[0].labelled,
        note=_left_out(plot),
    )


def _key(one: Series) -> Key:
    css = f"c-{one.colour}{' second' if one.second else ''}{' model' if one.model else ''}"
    return Key(one.name, css, "" if one.model or one.kind == "line" else path(one.shape, 14, 8), one.kind != "dots")


def _sentence(plot: Plot) -> str:
    head = _("%(title)s: %(y)s over %(x)s.") % {"title": plot.title, "y": plot.y.title, "x": plot.x.title}
    return " ".join([head, *(_told(one, plot.y) for one in plot.series)])


def _told(one: Series, y: Axis) -> str:
    if not one.points:
        return _("%(name)s: no readings.") % {"name": one.name}
    values = [point.y for point in one.points]
    told = {
        "name": one.name,
        "n": len(values),
        "low": number(min(values)),
        "high": f"{number(max(values))} {y.unit}".strip(),
    }
    if len(values) == 1:
        return _("%(name)s: %(high)s.") % told
    return _("%(name)s: %(n)s points from %(low)s to %(high)s.") % told


def _left_out(plot: Plot) -> str:
    """Zero has no place on a logarithmic axis: the reader is told what they do not see."""
    points = [point for one in plot.series for point in one.points]
    count = sum((plot.x.log and point.x <= 0) or (plot.y.log and point.y <= 0) for point in points)
    if not count:
        return ""
    return ngettext(
        "%(n)s reading of 0 has no place on a logarithmic axis; it is in the table.",
        "%(n)s readings of 0 have no place on a logarithmic axis; they are in the table.",
        count,
    ) % {"n": count}


def _numbers(plot: Plot) -> Numbers:
    xs = sorted({point.x for one in plot.series for point in one.points})
    every = -(-len(xs) // MOST_ROWS) or 1
    by_x = [{point.x: point for point in one.points} for one in plot.series]
    note = ""
    if every > 1:
        note = _("Every %(every)s. of %(n)s readings; the CSV has all.") % {"every": every, "n": len(xs)}
    return Numbers(
        headings=[plot.x.title, *(one.name for one in plot.series)],
        rows=[[number(x), *(_cell(points.get(x)) for points in by_x)] for x in xs[::every]],
        note=note,
    )


def _cell(point: Point | None) -> str:
    if point is None:
        return DASH
    if point.low is None or point.high is None:
        return number(point.y)
    return f"{number(point.y)} ({number(point.low)} – {number(point.high)})"


def _bars(bars: Bars) -> View:
    told = [f"{bar.label}: {value_of(bars, bar)}." for bar in bars.bars]
    ranged = any(bar.low is not None for bar in bars.bars)
    return View(
        name=bars.name,
        title=bars.title,
        caption=bars.caption,
        sentence=" ".join([f"{bars.title}.", *(told or [_("No readings.")])]),
        drawings=draw_bars(bars),
        keys=[],
        numbers=Numbers(
            headings=["", bars.unit, *([_("low"), _("high")] if ranged else [])],
            rows=[[bar.label, number(bar.value), *(_range(bar.low, bar.high) if ranged else [])] for bar in bars.bars],
        ),
        labelled=True,
    )


def _range(low: float | None, high: float | None) -> Sequence[str]:
    return [DASH if value is None else number(value) for value in (low, high)]
