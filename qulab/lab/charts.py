"""Geometry is worked out here and frozen; a template only writes it down. One unit is one pixel at full width."""

import re
from collections.abc import Sequence

import msgspec

from qulab.db.probe import Statement
from qulab.lab.measure import quantile

WIDTH, HEIGHT = 640, 200
LEFT, RIGHT, TOP, BOTTOM = 36, 12, 22, 26


class Tick(msgspec.Struct, frozen=True):
    at: float
    text: str


class LineChart(msgspec.Struct, frozen=True):
    """A line over time through its readings, with one limit drawn across."""

    line: str
    area: str
    limit: float
    limit_text: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    label_at: float = WIDTH - RIGHT  # where what the limit is called ends
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    floor: int = HEIGHT - BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


class Bar(msgspec.Struct, frozen=True):
    """A statement on the time line of all statements, from 0 to 100."""

    statement: Statement
    short: str
    x: float
    width: float


def latencies(milliseconds: Sequence[float]) -> LineChart:
    """The readings in order of size, over the share of them that is not larger, with the 95 % quantile across."""
    readings = sorted(milliseconds)
    limit = quantile(readings, 0.95)
    ceiling = max(readings[-1], 1.0)

    def x(share: float) -> float:
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - value / ceiling * (HEIGHT - TOP - BOTTOM), 1)

    points = [f"{x(i / max(len(readings) - 1, 1))},{y(value)}" for i, value in enumerate(readings)]
    path = "M" + "L".join(points)
    return LineChart(
        line=path,
        area=f"{path}V{y(0)}H{LEFT}Z",
        limit=y(limit),
        limit_text=f"{limit:.0f} ms",
        label_at=x(0.25),  # the line is below the limit there
        x_ticks=[Tick(x(share), f"{share:.0%}".replace("%", " %")) for share in (0, 0.5, 1)],
        y_ticks=[Tick(y(value), str(value)) for value in _steps(int(ceiling))],
    )


def _steps(most: int) -> list[int]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000) if most / step <= 4)
    return list(range(0, most + 1, step))


def waterfall(statements: Sequence[Statement], *, full: bool = False) -> list[Bar]:
    """Each statement where it began, as long as it took."""
    if not statements:
        return []
    first = statements[0].start
    end = max(one.start + one.milliseconds for one in statements) - first or 1.0
    return [
        Bar(
            one,
            one.sql if full else abbreviated(one.sql),
            round((one.start - first) / end * 100, 2),
            max(round(one.milliseconds / end * 100, 2), 0.8),
        )
        for one in statements
    ]


def abbreviated(sql: str) -> str:
    """One line of a statement, its long lists left out: the whole text stands below it."""
    text = re.sub(r"\((\?|\$\d+\S*|%s)(, (\?|\$\d+\S*|%s)){3,}\)", "(…)", " ".join(sql.split()))
    if len(text) <= 90:
        return text
    head, keyword, tail = text.partition(" FROM ")
    if keyword and head.startswith("SELECT"):
        return _cut(f"SELECT … FROM {tail}")  # noqa: S608 - text to read, never sent
    head, keyword, _ = text.partition(" VALUES ")
    return _cut(f"{head.partition(' (')[0]} (…) VALUES (…)" if keyword else text)


def _cut(text: str) -> str:
    return text if len(text) <= 110 else text[:109] + "…"


_KINDS = {"hit": "hit", "negative hit": "hit", "stale hit": "stale", "bypass": "bypass"}


class Stripe(msgspec.Struct, frozen=True):
    """A run of equal outcomes."""

    x: int
    width: int
    kind: str


def stripes(outcomes: Sequence[str]) -> list[Stripe]:
    """Hits and misses in the order they came, neighbours of one kind joined. A stale hit is a kind of its own."""
    kinds = [_KINDS.get(one, "miss") for one in outcomes]
    starts = [i for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind]
    return [
        Stripe(start, end - start, kinds[start]) for start, end in zip(starts, [*starts[1:], len(kinds)], strict=True)
    ]
