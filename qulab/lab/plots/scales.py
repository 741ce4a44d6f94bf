"""An axis shows round numbers and holds every value it is given; a value that it cannot show has no place."""

import math
from collections.abc import Sequence

import msgspec

from qulab.lab.plots.data import Axis

ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
WITHIN_A_DECADE = (1.0, 2.0, 5.0)
FEW_DECADES = 2.0  # up to here a decade is divided


class Scale(msgspec.Struct, frozen=True):
    """Values from `low` to `high` onto pixels from `start` to `end`."""

    low: float
    high: float
    log: bool
    ticks: list[float]
    start: float = 0.0
    end: float = 1.0

    def at(self, value: float) -> float | None:
        """Where it stands; None when it is beyond the axis."""
        if not self.low <= value <= self.high:
            return None
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 1)

    def onto(self, start: float, end: float) -> "Scale":
        return msgspec.structs.replace(self, start=start, end=end)


def scale(axis: Axis, values: Sequence[float], *, about: int, from_zero: bool) -> Scale:
    """An axis with about so many ticks. `from_zero`: it begins at zero unless a value lies below."""
    known = [value for value in (*values, axis.low, axis.high) if value is not None]
    return (_logarithmic if axis.log else _linear)(axis, known, about, from_zero)


def _linear(axis: Axis, values: Sequence[float], about: int, from_zero: bool) -> Scale:
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low >= 0 and (from_zero or low < 0.3 * high):
        low = 0.0
    if low == high:
        low, high = (0.0, 1.0) if low == 0 else (low - abs(low) / 2, high + abs(high) / 2)
    step = _step((high - low) / about)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    low = first * step if axis.low is None else axis.low
    high = last * step if axis.high is None else axis.high
    ticks = axis.ticks if axis.ticks is not None else [float(f"{i * step:.12g}") for i in range(first, last + 1)]
    return Scale(low, high, False, [tick for tick in ticks if low <= tick <= high])


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    return next(one * power for one in ROUND if one * power >= rough * (1 - 1e-9))


def _logarithmic(axis: Axis, values: Sequence[float], about: int, _from_zero: bool) -> Scale:
    above = [value for value in values if value > 0] or [1.0, 10.0]
    low, high = min(above), max(above)
    divided = math.log10(high / low) <= FEW_DECADES
    steps = WITHIN_A_DECADE if divided else (1.0,)
    low = _round_down(low, steps) if axis.low is None else axis.low
    high = _round_up(high, steps) if axis.high is None else axis.high
    if low == high:
        low, high = low / 2, high * 2
    ticks = axis.ticks if axis.ticks is not None else _decades(low, high, steps, about)
    return Scale(low, high, True, [tick for tick in ticks if low <= tick <= high])


def _decades(low: float, high: float, steps: Sequence[float], about: int) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, round((last - first) / (2 * about)))
    ticks = [float(f"{one * 10.0**power:.12g}") for power in range(first, last + 1, every) for one in steps]
    return [tick for tick in ticks if low <= tick <= high]


def _round_down(value: float, steps: Sequence[float]) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return min(value, float(f"{max(one for one in steps if one * power <= value * (1 + 1e-9)) * power:.12g}"))


def _round_up(value: float, steps: Sequence[float]) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return max(value, float(f"{min(one for one in (*steps, 10.0) if one * power >= value * (1 - 1e-9)) * power:.12g}"))


def number(value: float) -> str:
    """Three figures, no more; whole numbers whole."""
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    if abs(value) >= 1e6 or abs(value) < 1e-3:
        return f"{value:.3g}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def tick_text(value: float) -> str:
    """As short as it can be: it stands beside others."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            unit = 1e3 if letter == "k" else size
            return f"{value / unit:.4g}{letter}"
    return f"{value:,g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.0e}"
