"""What is plotted is finite numbers under a name and a unit: anything else is refused where it is made, not drawn."""

import math
from typing import Literal

import msgspec

Colour = Literal["app", "database", "cache", "event", "ink", "ok", "bad"]
Kind = Literal["line", "dots", "both"]
Shape = Literal["", "circle", "square", "hexagon", "pennant", "diamond", "cross"]


class NotANumber(ValueError):
    """A reading is not a finite number. Leave out what was not measured."""


def _finite(*values: float | None) -> None:
    if not all(value is None or math.isfinite(value) for value in values):
        raise NotANumber(f"A plot was given {values}. {NotANumber.__doc__}")


class Point(msgspec.Struct, frozen=True):
    """A reading; with `low` and `high` a median and its range."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        _finite(self.x, self.y, self.low, self.high)


class Series(msgspec.Struct, frozen=True):
    """Readings of one thing. A `model` was worked out, not measured: it is dashed and has no dots.

    `shape` is the concept's own where it is left out; `second` belongs to the other run of a comparison.
    """

    name: str
    points: list[Point]
    colour: Colour = "database"
    kind: Kind = "both"
    model: bool = False
    shape: Shape = ""
    second: bool = False


class Axis(msgspec.Struct, frozen=True):
    """What is left out is chosen to fit the readings. A logarithmic axis begins above zero."""

    label: str
    unit: str = ""
    log: bool = False
    low: float | None = None
    high: float | None = None
    ticks: list[float] | None = None

    def __post_init__(self) -> None:
        _finite(self.low, self.high, *(self.ticks or ()))

    @property
    def title(self) -> str:
        return f"{self.label}, {self.unit}" if self.unit else self.label


class Mark(msgspec.Struct, frozen=True):
    """A limit or a place to see, drawn across at one value of an axis."""

    axis: Literal["x", "y"]
    at: float
    label: str

    def __post_init__(self) -> None:
        _finite(self.at)


class Plot(msgspec.Struct, frozen=True):
    """`name` is part of ids on the page; `caption` says in a sentence what is to be seen."""

    name: str
    title: str
    caption: str
    x: Axis
    y: Axis
    series: list[Series]
    marks: list[Mark] = []


class Bar(msgspec.Struct, frozen=True):
    """`text` stands at its end in the place of the value."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    colour: Colour = "database"
    text: str = ""

    def __post_init__(self) -> None:
        _finite(self.value, self.low, self.high)


class Bars(msgspec.Struct, frozen=True):
    name: str
    title: str
    caption: str
    unit: str
    bars: list[Bar]
    log: bool = False
