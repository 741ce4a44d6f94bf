"""A drawing is paths and texts, each with its class: a template needs no arithmetic, and colour never speaks alone.

A filled dot is a value, a bar its interval, a filled square a right answer, an empty one a missed answer, and a notch
below the squares what was expected. Hatched is what cannot be.
"""

from collections.abc import Iterator, Sequence

import msgspec
from django.utils.formats import date_format

from assessments.history import History, Past
from assessments.outcomes import Span, SubdomainResult
from assessments.shares import Unreachable
from qulab.drawn import Path, Text


class Drawing(msgspec.Struct, frozen=True):
    """In pixels. A page shows the one named wide or the one named narrow."""

    name: str
    width: int
    height: int
    paths: list[Path]
    texts: list[Text] = []


HALF_A_DAY = 38  # how far a date reaches to each side of its place
HATCHED, APART = 10, 6  # the height of a hatching, and what is between its strokes
EDGE = 30  # on both sides of a scale: room for the number beside an interval


class Line(msgspec.Struct, frozen=True):
    """The scale from 0 to 100, between two places."""

    start: float
    end: float

    def at(self, points: float) -> float:
        return round(self.start + points / 100 * (self.end - self.start), 1)


def score_scale(span: Span, unreachable: Sequence[Unreachable] = ()) -> list[Drawing]:
    """The score on its scale, with its interval; hatched where it cannot be."""
    return [_score_scale(span, unreachable, "wide", 704, 10), _score_scale(span, unreachable, "narrow", 340, 20)]


def _score_scale(span: Span, unreachable: Sequence[Unreachable], name: str, width: int, labelled: int) -> Drawing:
    line, middle, floor = Line(EDGE, width - EDGE), 54, 92
    low, value, high = line.at(span.low), line.at(span.value), line.at(span.high)
    ticks = [f"M{line.at(tick)},{floor}v{8 if tick % labelled == 0 else 4}" for tick in range(0, 101, 5)]
    paths = [
        *(Path(_hatch(line.at(one.low), line.at(one.high), floor), "hatch") for one in unreachable),
        Path(f"M{line.start},{floor}H{line.end}", "base"),
        Path("".join(ticks), "base"),
        Path(f"M{low},{middle - 11}H{high}v22H{low}z", "interval"),
        Path(f"M{low},{middle - 11}v22M{high},{middle - 11}v22", "end"),
        Path(f"M{low},{middle + 11}V{floor}M{high},{middle + 11}V{floor}", "guide"),
        Path(_dot(value, middle, 8), "value"),
    ]
    score, lowest, highest = span.whole
    texts = [
        Text(min(max(value, 20), width - 20), 32, str(score), "score"),
        *(Text(line.at(tick), floor + 24, str(tick), "tick") for tick in range(0, 101, labelled)),
        *_beside(line, span, middle, str(lowest), str(highest)),
    ]
    return Drawing(name, width, floor + 30, paths, texts)


def _hatch(start: float, end: float, floor: float) -> str:
    """On the scale, closed on the right and on the left: where it ends is part of what it says."""
    sides = f"M{start},{floor - HATCHED}V{floor}M{end},{floor - HATCHED}V{floor}"
    # A stroke leans as far as it is high; what would lean over the end is left out.
    count = max(int((end - start - HATCHED) / APART) + 1, 0)
    return sides + "".join(f"M{start + APART * one:g},{floor}l{HATCHED},-{HATCHED}" for one in range(count))


def _beside(line: Line, span: Span, middle: float, lowest: str, highest: str) -> Iterator[Text]:
    """The ends of the interval in numbers; the ends of the scale have theirs already."""
    if span.low > 0:
        yield Text(line.at(span.low) - 8, middle + 5, lowest, "bound before")
    if span.high < 100:
        yield Text(line.at(span.high) + 8, middle + 5, highest, "bound after")


def component_scale(span: Span) -> Drawing:
    """A component on the same scale, in one line."""
    line, middle = Line(7, 233), 11
    low, value, high = line.at(span.low), line.at(span.value), line.at(span.high)
    return Drawing(
        "small",
        240,
        22,
        [
            Path(f"M{line.start},{middle}H{line.end}", "base"),
            Path("".join(f"M{line.at(tick)},{middle - 4}v8" for tick in (0, 50, 100)), "base"),
            Path(f"M{low},{middle - 5}H{high}v10H{low}z", "interval"),
            Path(f"M{low},{middle - 5}v10M{high},{middle - 5}v10", "end"),
            Path(_dot(value, middle, 5), "value"),
        ],
    )


SQUARE, STEP = 13, 18
MOST_SQUARES = 6


def squares(result: SubdomainResult) -> Drawing:
    """One for each question, those that were right first; and how many were expected to be."""
    count = max(result.asked, MOST_SQUARES)
    right = "".join(_square(number) for number in range(result.right))
    missed = "".join(_square(number) for number in range(result.right, result.asked))
    notch = round(1.5 + result.expected * STEP - (STEP - SQUARE) / 2, 1)
    paths = [
        *([Path(right, "right")] if right else []),
        *([Path(missed, "missed")] if missed else []),
        *([Path(f"M{notch},17l-4,6h8z", "expected")] if result.asked else []),
    ]
    return Drawing("squares", STEP * count + 4, 24, paths)


def _square(number: int) -> str:
    return f"M{1.5 + number * STEP},1.5h{SQUARE}v{SQUARE}h-{SQUARE}z"


def _dot(x: float, y: float, radius: float) -> str:
    return f"M{x - radius:g},{y:g}a{radius},{radius} 0 1 0 {2 * radius},0a{radius},{radius} 0 1 0 -{2 * radius},0z"


def score_history(history: History) -> list[Drawing]:
    """Each score with its interval, the oldest first, one beside the other; nothing for a single one."""
    if len(history.scores) < 2:
        return []
    return [_score_history(history.scores, "wide", 704), _score_history(history.scores, "narrow", 340)]


def _score_history(scores: Sequence[Past], name: str, width: int) -> Drawing:
    left, top, floor = 34, 14, 210
    line = Line(floor, top)
    step = min((width - left) / len(scores), 88)
    paths = [Path("".join(f"M{left},{line.at(tick)}H{width}" for tick in (25, 50, 75, 100)), "grid")]
    paths.append(Path(f"M{left},{floor}H{width}", "base"))
    texts = [Text(left - 8, line.at(tick) + 4, str(tick), "tick before") for tick in (0, 25, 50, 75, 100)]
    for number, past in enumerate(scores):
        paths += _past(past, round(left + step * (number + 0.5), 1), line)
    places = {0: scores[0], len(scores) - 1: scores[-1]} if step < 80 else dict(enumerate(scores))
    for number, past in places.items():
        middle = left + step * (number + 0.5)
        texts.append(Text(round(min(max(middle, HALF_A_DAY), width - HALF_A_DAY), 1), floor + 20, _day(past), "tick"))
    return Drawing(name, width, floor + 28, paths, texts)


def _past(past: Past, x: float, line: Line) -> Iterator[Path]:
    value, low, high = (line.at(points) for points in (past.span.value, past.span.low, past.span.high))
    css = " now" if past.is_shown else ""
    yield Path(f"M{x - 6},{low}h12M{x - 6},{high}h12M{x},{low}V{high}", f"whisker{css}")
    yield Path(_dot(x, value, 6 if past.is_shown else 5), f"value{css}", f"{_day(past)}: {past.span.sentence}")


def _day(past: Past) -> str:
    return date_format(past.score.created_at, "Y-m-d")
