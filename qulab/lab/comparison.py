"""Two runs are compared by what was measured in both: a difference within their ranges is called none."""

from typing import Any

import msgspec

from qulab.lab.plots import Bars, Plot, overlay
from qulab.lab.runs import SavedRun
from qulab.lab.workbench import Figure, Workbench


class Compared(msgspec.Struct, frozen=True):
    """One figure of both. `ratio` is B over A, None where A is zero; `verdict`: "better", "worse", "alike", "other"."""

    a: Figure
    b: Figure
    ratio: float | None
    verdict: str


class Setting(msgspec.Struct, frozen=True):
    """Something that the runs were made with."""

    name: str
    a: str
    b: str

    @property
    def differs(self) -> bool:
        return bool(self.a != self.b)


class Comparison(msgspec.Struct, frozen=True):
    """`pairs` are plots that cannot be laid over each other and stand side by side."""

    parameters: list[Setting]
    environment: list[Setting]
    figures: list[Compared]
    overlaid: list[Plot]
    pairs: list[tuple[Bars, Bars]]

    @property
    def settings(self) -> list[Setting]:
        return [*self.parameters, *self.environment]

    @property
    def differences(self) -> list[Setting]:
        """What was asked for otherwise: then the figures differ for that reason, too."""
        return [one for one in self.parameters if one.differs]


SHOWN = ("database", "python", "sqlalchemy", "system", "processors", "load", "commit")


def compare(workbench: Workbench, a: SavedRun, b: SavedRun) -> Comparison:
    plots = [
        (one, other)
        for one in workbench.plots(a.result, {})
        for other in workbench.plots(b.result, {})
        if one.name == other.name
    ]
    return Comparison(
        parameters=_settings(a.parameters, b.parameters),
        environment=_settings(a.environment, b.environment, SHOWN),
        figures=_figures(workbench.figures(a.result), workbench.figures(b.result)),
        overlaid=[overlay(one, other) for one, other in plots if isinstance(one, Plot) and isinstance(other, Plot)],
        pairs=[(one, other) for one, other in plots if isinstance(one, Bars) and isinstance(other, Bars)],
    )


def _settings(a: dict[str, Any], b: dict[str, Any], names: tuple[str, ...] | None = None) -> list[Setting]:
    wanted = names or tuple(name for name in dict.fromkeys([*a, *b]) if name not in {"expected", "database"})
    return [Setting(name, _told(a.get(name)), _told(b.get(name))) for name in wanted if name in a or name in b]


def _told(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.1f}" if isinstance(value, float) else str(value)[:60]


def _figures(a: list[Figure], b: list[Figure]) -> list[Compared]:
    others = {figure.name: figure for figure in b}
    pairs = [(figure, others[figure.name]) for figure in a if figure.name in others]
    return [Compared(one, other, _ratio(one, other), _verdict(one, other)) for one, other in pairs]


def _ratio(a: Figure, b: Figure) -> float | None:
    return b.value / a.value if a.value else None


def _verdict(a: Figure, b: Figure) -> str:
    """Of B beside A. Readings without a range say nothing but that they differ."""
    if a.value == b.value or _overlap(a, b):
        return "alike"
    if not a.better or not (_tells(a) and _tells(b)):
        return "other"
    return "better" if (b.value < a.value) == (a.better == "lower") else "worse"


def _overlap(a: Figure, b: Figure) -> bool:
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return False
    return a.low <= b.high and b.low <= a.high


def _tells(figure: Figure) -> bool:
    return figure.exact or figure.n > 1
