"""A drawing is paths and texts, each with the class that gives it its colour: a template needs no arithmetic."""

from collections.abc import Iterator, Sequence

import msgspec
from django.utils.translation import gettext as _

from qulab.drawn import Path, Text
from qulab.lab.plots.data import Axis, Plot, Point, Series
from qulab.lab.plots.scales import Scale, number, scale, tick_text
from qulab.lab.plots.shapes import path, shaped

MOST_TITLED = 60  # dots that tell their value under the pointer: more would weigh too much


class Drawing(msgspec.Struct, frozen=True):
    name: str
    width: int
    height: int
    paths: list[Path]
    texts: list[Text]
    labelled: bool = False  # the series' names stand at their lines


class Sheet(msgspec.Struct, frozen=True):
    """Sizes of one drawing, in pixels; `letter` is how wide one is at most, about."""

    name: str
    width: int
    height: int
    ticks: int
    letter: float = 7.3


WIDE = Sheet("wide", 640, 320, 6)
NARROW = Sheet("narrow", 330, 260, 4)
TOP, BOTTOM, GAP = 30, 46, 10
LINE = 15  # between the base lines of two labels
LONGEST = 24  # letters of a name that may stand at its line
MOST_LABELLED = 6


class Frame(msgspec.Struct, frozen=True):
    """Where the readings are drawn."""

    x: Scale
    y: Scale
    left: float
    right: float
    top: float
    floor: float


def draw_plot(plot: Plot) -> list[Drawing]:
    return [_draw(plot, WIDE), _draw(plot, NARROW)]


def _draw(plot: Plot, sheet: Sheet) -> Drawing:
    series = shaped(plot.series)
    labelled = sheet is WIDE and _can_be_labelled(series)
    frame = _frame(plot, sheet, max((len(one.name) for one in series), default=0) if labelled else 0)
    paths, texts = [*_grid(frame)], [*_ticks(frame, sheet), *_titles(plot, frame, sheet)]
    for mark in _marks(plot, frame):
        paths.append(mark[0])
        texts.append(mark[1])
    for one in series:
        paths += _series(one, frame, plot)
    if labelled:
        texts += _labels(series, frame)
    if not any(path.css.startswith(("line", "dot")) for path in paths):
        texts.append(Text((frame.left + frame.right) / 2, (frame.top + frame.floor) / 2, _("No readings"), "none"))
    return Drawing(sheet.name, sheet.width, sheet.height, paths, texts, labelled)


def _can_be_labelled(series: Sequence[Series]) -> bool:
    """Several lines with an end each, and names short enough to stand there."""
    drawn = [one for one in series if one.points]
    return 1 < len(drawn) <= MOST_LABELLED and all(
        one.kind != "dots" and len(one.name) <= LONGEST and len(one.points) > 1 for one in drawn
    )


def _frame(plot: Plot, sheet: Sheet, name: int) -> Frame:
    xs = [point.x for one in plot.series for point in one.points] + [m.at for m in plot.marks if m.axis == "x"]
    ys = [v for one in plot.series for point in one.points for v in _heights(point)]
    x = scale(plot.x, xs, about=sheet.ticks, from_zero=False)
    y = scale(plot.y, ys + [m.at for m in plot.marks if m.axis == "y"], about=5, from_zero=True)
    left = round(GAP + sheet.letter * max((len(tick_text(tick)) for tick in y.ticks), default=1))
    half = sheet.letter * max((len(tick_text(tick)) for tick in x.ticks[-1:]), default=1) / 2
    right = round(sheet.width - max(sheet.letter * name + GAP if name else 0, half + 2))
    floor = sheet.height - BOTTOM
    return Frame(x.onto(left, right), y.onto(floor, TOP), left, right, TOP, floor)


def _heights(point: Point) -> Iterator[float]:
    yield point.y
    yield from (value for value in (point.low, point.high) if value is not None)


def _grid(frame: Frame) -> Iterator[Path]:
    for tick in frame.y.ticks:
        yield Path(f"M{frame.left},{frame.y.at(tick)}H{frame.right}", "grid")
    yield Path(f"M{frame.left},{frame.floor}H{frame.right}", "base")


def _ticks(frame: Frame, sheet: Sheet) -> Iterator[Text]:
    for tick in frame.y.ticks:
        yield Text(frame.left - 6, (frame.y.at(tick) or 0) + 4, tick_text(tick), "tick end")
    free = float("-inf")
    for tick in frame.x.ticks:
        at, half = frame.x.at(tick) or 0, sheet.letter * len(tick_text(tick)) / 2
        if at - half > free:
            free = at + half + 6
            yield Text(at, frame.floor + 17, tick_text(tick), "tick middle")


def _titles(plot: Plot, frame: Frame, sheet: Sheet) -> Iterator[Text]:
    yield Text(0, 12, plot.y.title, "axis")
    yield Text((frame.left + frame.right) / 2, sheet.height - 8, plot.x.title, "axis middle")


def _marks(plot: Plot, frame: Frame) -> Iterator[tuple[Path, Text]]:
    for mark in plot.marks:
        at = (frame.x if mark.axis == "x" else frame.y).at(mark.at)
        if at is None:
            continue
        if mark.axis == "y":
            yield Path(f"M{frame.left},{at}H{frame.right}", "mark"), Text(frame.left + 6, at - 5, mark.label, "mark")
            continue
        right_of_it = at < (frame.left + frame.right) / 2
        place = (at + 5, "mark") if right_of_it else (at - 5, "mark end")
        yield Path(f"M{at},{frame.top}V{frame.floor}", "mark"), Text(place[0], frame.top + 10, mark.label, place[1])


def _series(one: Series, frame: Frame, plot: Plot) -> Iterator[Path]:
    css = f"c-{one.colour}{' second' if one.second else ''}{' model' if one.model else ''}"
    points = sorted(one.points, key=lambda point: point.x)
    places = [(point, frame.x.at(point.x), frame.y.at(point.y)) for point in points]
    if one.kind != "dots" or one.model:
        yield from (Path(d, f"line {css}") for d in _lines([(x, y) for _, x, y in places]))
    if one.model:
        return
    for point, x, _y in places:
        if x is not None and (whisker := _whisker(point, x, frame)):
            yield Path(whisker, f"whisker {css}")
    alone = len(places) == 1  # a line of one reading would not be seen
    for point, x, y in places:
        if x is not None and y is not None and (one.kind != "line" or alone):
            title = _told(one, point, plot.x, plot.y) if len(places) <= MOST_TITLED else ""
            yield Path(path(one.shape, x, y), f"dot {css}", title)


def _lines(places: Sequence[tuple[float | None, float | None]]) -> Iterator[str]:
    """A line is broken where a reading has no place."""
    d, count = "", 0
    for x, y in [*places, (None, None)]:
        if x is None or y is None:
            if count > 1:
                yield d
            d, count = "", 0
        else:
            d += f"{'L' if d else 'M'}{x:g},{y:g}"
            count += 1


def _whisker(point: Point, x: float, frame: Frame) -> str:
    if point.low is None or point.high is None:
        return ""
    top = frame.y.at(point.high)
    floor = frame.y.at(point.low)
    if top is None:
        return ""
    if floor is None:  # of a logarithmic axis: zero is endlessly far below
        return f"M{x - 4:g},{top:g}h8m-4,0V{frame.floor:g}"
    return f"M{x - 4:g},{top:g}h8m-4,0V{floor:g}m-4,0h8"


def _told(one: Series, point: Point, x: Axis, y: Axis) -> str:
    reach = "" if point.low is None or point.high is None else f" ({number(point.low)} – {number(point.high)})"
    return f"{one.name}: {number(point.x)} {x.unit} → {number(point.y)}{reach} {y.unit}".replace("  ", " ").strip()


def _labels(series: Sequence[Series], frame: Frame) -> list[Text]:
    """Each name at the end of its line, moved apart where ends lie close."""
    ends = []
    for one in series:
        placed = [(frame.x.at(point.x), frame.y.at(point.y)) for point in sorted(one.points, key=lambda p: p.x)]
        known = [(x, y) for x, y in placed if x is not None and y is not None]
        if known:
            ends.append((known[-1][1], one))
    ends.sort(key=lambda end: end[0])
    heights = _apart([y for y, _ in ends], frame)
    return [
        Text(frame.right + GAP, y + 4, one.name, f"name c-{one.colour}")
        for y, (_, one) in zip(heights, ends, strict=True)
    ]


def _apart(heights: Sequence[float], frame: Frame) -> list[float]:
    placed: list[float] = []
    for y in heights:
        placed.append(max(y, placed[-1] + LINE) if placed else y)
    limit = frame.floor
    for i in range(len(placed) - 1, -1, -1):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - LINE
    return [round(y, 1) for y in placed]
