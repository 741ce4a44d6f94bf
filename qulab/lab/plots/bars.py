"""Bars are as long as what they stand for; on a logarithmic axis they begin at a power of ten, and it says so."""

from collections.abc import Iterator

from qulab.drawn import Path, Text
from qulab.lab.plots.data import Axis, Bar, Bars
from qulab.lab.plots.drawing import NARROW, WIDE, Drawing, Sheet
from qulab.lab.plots.scales import Scale, number, scale, tick_text

THICK, BESIDE, ABOVE = 16, 30, 44  # of a bar; of a row with its label beside the bar, or above it
HEAD, FOOT = 6, 42
MOST_BESIDE = 200  # pixels that labels beside the bars may take


def draw_bars(bars: Bars) -> list[Drawing]:
    return [_draw(bars, WIDE), _draw(bars, NARROW)]


def value_of(bars: Bars, bar: Bar) -> str:
    return bar.text or f"{number(bar.value)} {bars.unit}".strip()


def _draw(bars: Bars, sheet: Sheet) -> Drawing:
    across = sheet.letter * max((len(bar.label) for bar in bars.bars), default=0) + 10
    above = sheet is NARROW or across > MOST_BESIDE
    left, row = (1.0, ABOVE) if above else (round(across), BESIDE)
    right = sheet.width - sheet.letter * max((len(value_of(bars, bar)) for bar in bars.bars), default=0) - 16
    values = [v for bar in bars.bars for v in (bar.value, bar.low, bar.high) if v is not None]
    axis = Axis("", log=bars.log)
    along = scale(axis, values, about=4 if sheet is NARROW else 5, from_zero=True).onto(left, round(right))
    floor = HEAD + row * len(bars.bars)
    paths, texts = list(_grid(along, floor)), list(_ticks(bars, along, floor, sheet))
    for i, bar in enumerate(bars.bars):
        middle = HEAD + row * i + (row - THICK / 2 - 4 if above else row / 2)
        paths += _bar(bar, along, middle)
        texts.append(Text(0, middle - 14 if above else middle + 4, bar.label, "bar-label"))
        end = max(_end(along, bar.value), _end(along, bar.high or 0))
        texts.append(Text(end + 8, middle + 4, value_of(bars, bar), "value"))
    return Drawing(sheet.name, sheet.width, floor + FOOT, paths, texts)


def _grid(along: Scale, floor: float) -> Iterator[Path]:
    for tick in along.ticks:
        yield Path(f"M{along.at(tick)},{HEAD}V{floor}", "grid")
    yield Path(f"M{along.start},{HEAD}V{floor}", "base")


def _ticks(bars: Bars, along: Scale, floor: float, sheet: Sheet) -> Iterator[Text]:
    free = float("-inf")
    for tick in along.ticks:
        at, half = along.at(tick) or 0, sheet.letter * len(tick_text(tick)) / 2
        if at - half > free:
            free = at + half + 6
            yield Text(max(at, half), floor + 17, tick_text(tick), "tick middle")
    yield Text((along.start + along.end) / 2, floor + 34, bars.unit, "axis middle")


def _end(along: Scale, value: float) -> float:
    """A bar of nothing has no length, on a logarithmic axis too."""
    at = along.at(value)
    return along.start if at is None else at


def _bar(bar: Bar, along: Scale, middle: float) -> Iterator[Path]:
    zero, end = _end(along, 0.0 if not along.log else along.low), _end(along, bar.value)
    if end != zero:
        yield Path(f"M{zero},{middle - THICK / 2}H{end}v{THICK}H{zero}z", f"bar c-{bar.colour}")
    if bar.low is not None and bar.high is not None:
        low, high = _end(along, bar.low), _end(along, bar.high)
        yield Path(f"M{low},{middle - 4}v8m0,-4H{high}m0,-4v8", "whisker c-ink")
