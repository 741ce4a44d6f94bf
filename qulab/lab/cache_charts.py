"""H as it grew, and T_avg as H would change it: the second is the guide's formula, and only its dot was measured."""

from collections.abc import Sequence

import msgspec

from qulab.cache.metrics import HITS
from qulab.lab.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, LineChart, Tick


class Dot(msgspec.Struct, frozen=True):
    x: float
    y: float


ABOVE, BELOW = "-0.4em", "1.2em"  # from the line across to what it is called; letters are larger on a phone


class Curve(LineChart, frozen=True, kw_only=True):
    """A line without an area below it. `dot` is where a measured value lies."""

    label_dy: str
    dot: Dot | None = None


def ratio_over_time(outcomes: Sequence[str]) -> Curve:
    """H after each fetch, with the H of all fetches across."""
    hits, path = 0, ""
    for number, outcome in enumerate(outcomes, 1):
        hits += outcome in HITS
        path += f"{'L' if path else 'M'}{_x(number / len(outcomes))},{_y(hits / number, 1)}"
    ratio = hits / max(len(outcomes), 1)
    return Curve(
        line=path,
        area="",
        limit=_y(ratio, 1),
        limit_text=f"{ratio:.3f}",
        x_ticks=[Tick(_x(part), f"{part * len(outcomes):.0f}") for part in (0, 0.5, 1)],
        y_ticks=[Tick(_y(part, 1), f"{part:g}") for part in (0, 0.5, 1)],
        label_dy=BELOW if ratio > 0.5 else ABOVE,  # the line comes from the other side
    )


def average_over_ratio(t_cache: float, t_database: float, ratio: float, mean: float) -> Curve:
    """T_avg for every H, with the time of no cache at all across. Times in milliseconds."""
    ceiling = max(t_cache + t_database, mean) * 1.05
    start, end = (f"{_x(h)},{_y(t_cache + (1 - h) * t_database, ceiling)}" for h in (0, 1))
    return Curve(
        line=f"M{start}L{end}",
        area="",
        limit=_y(t_database, ceiling),
        limit_text=f"{t_database:.2f} ms",
        x_ticks=[Tick(_x(part), text) for part, text in ((0, "H = 0"), (0.5, "0.5"), (1, "1"))],
        y_ticks=[Tick(_y(part * ceiling, ceiling), f"{part * ceiling:.1f}") for part in (0, 0.5, 1)],
        label_dy=BELOW,
        dot=Dot(_x(ratio), _y(mean, ceiling)),
    )


def _x(part: float) -> float:
    return round(LEFT + part * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, ceiling: float) -> float:
    return round(HEIGHT - BOTTOM - value / ceiling * (HEIGHT - TOP - BOTTOM), 1)
