"""A score is the sum of three shares, each told with its factor: how much of it is the occupation is not left to guess.

What a score cannot be, for its occupation, follows from the same sum: the person's part reaches from 0 to 100 alone.
"""

import math
from typing import NamedTuple

import msgspec
from django.utils.translation import gettext as _

from assessments.outcomes import ROUNDING, Span
from assessments.scoring import Parameters, combine, synergy_of

HIGHEST = 100  # of the scale


class Share(NamedTuple):
    """What a part of the formula gives to the score: its value times its factor."""

    factor: float
    points: float


class Reach(NamedTuple):
    """The lowest and the highest score that there can be."""

    least: float
    most: float


class Unreachable(NamedTuple):
    """A part of the scale, from the left, and what is to be said of it."""

    low: float
    high: float
    sentence: str


class Calculation(msgspec.Struct, frozen=True):
    """What the formula was given, and what it came to before the scale ended, in points."""

    parameters: Parameters
    vr: float
    hr: float
    synergy: float
    vr_se: float
    half_width: float

    @property
    def raw(self) -> float:
        return combine(self.vr, self.hr, self.synergy, self.parameters)

    @property
    def is_over(self) -> bool:
        """The scale ends before the sum does."""
        return self.raw > HIGHEST

    @property
    def person(self) -> Share:
        return Share(self.parameters.alpha, self.parameters.alpha * self.vr)

    @property
    def occupation(self) -> Share:
        return Share(1 - self.parameters.alpha, (1 - self.parameters.alpha) * self.hr)

    @property
    def together(self) -> Share:
        return Share(self.parameters.beta, self.parameters.beta * self.synergy)

    @property
    def reach(self) -> Reach:
        """Of this occupation: of nobody's part, and of a whole one."""
        least, most = (combine(vr, self.hr, synergy_of(vr, self.hr), self.parameters) for vr in (0.0, float(HIGHEST)))
        return Reach(_on_scale(least), _on_scale(most))

    def gives(self, score: float) -> bool:
        """Whether the three shares are those of this score; of a row that was changed by hand they may not be."""
        return abs(_on_scale(self.raw) - score) < ROUNDING


def _on_scale(points: float) -> float:
    return min(max(points, 0.0), float(HIGHEST))


def shares_sentence(calculation: Calculation, *, is_given: bool) -> str:
    """Each share in whole points, which need not add up to the whole score; `is_given`: there were no answers."""
    told = {
        "raw": f"{calculation.raw:.1f}",
        "person": round(calculation.person.points),
        "occupation": round(calculation.occupation.points),
        "together": round(calculation.together.points),
        "origin": _("the abilities that were given") if is_given else _("your answers"),
    }
    return _whole_words(is_over=calculation.is_over) % told


def _whole_words(*, is_over: bool) -> str:
    if is_over:
        return _(
            "The formula gave %(raw)s points, of which the scale keeps 100: %(person)s come from %(origin)s, "
            "%(occupation)s from the figures of the occupation, %(together)s from both together."
        )
    return _(
        "%(person)s of these points come from %(origin)s, %(occupation)s from the figures of the occupation, "
        "%(together)s from both together."
    )


def unreachable(span: Span, reach: Reach) -> list[Unreachable]:
    """Where the interval goes and the score cannot; told in whole points outwards, which the numbers bear out."""
    found = []
    if span.low < reach.least - ROUNDING:
        words = _("For this occupation the score cannot be below %(least)s: that part of the scale is hatched.")
        found.append(Unreachable(0, reach.least, words % {"least": math.floor(reach.least + ROUNDING)}))
    if span.high > reach.most + ROUNDING:
        words = _("For this occupation the score cannot be above %(most)s: that part of the scale is hatched.")
        found.append(Unreachable(reach.most, HIGHEST, words % {"most": math.ceil(reach.most - ROUNDING)}))
    return found


def cut_off(span: Span, calculation: Calculation | None) -> list[str]:
    """What lay beyond the ends of the scale, in sentences."""
    told = []
    if calculation and calculation.is_over:
        words = _("The formula gave %(raw)s; the scale ends at 100, and the score with it.")
        told.append(words % {"raw": f"{calculation.raw:.1f}"})
    if span.high >= HIGHEST:
        told.append(_("The interval is cut off at 100, where the scale ends."))
    if span.low <= 0:
        told.append(_("The interval is cut off at 0, where the scale begins."))
    return told
