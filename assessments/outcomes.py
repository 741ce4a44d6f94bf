"""What came out of a test, as it is shown: a value keeps its interval, and a rounded interval still holds it."""

import math
from enum import StrEnum

import msgspec
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assessments.bank import Practice

TITLES = {
    "fluency": gettext_lazy("AI fluency"),
    "domain": gettext_lazy("Applied domain reasoning"),
    "adaptive": gettext_lazy("Adaptive capacity"),
}
A_HALF = 0.5  # of a question: what is nearer than that is told as alike
ROUNDING = 1e-9  # what a number may lie beyond a whole one by reckoning alone


class Against(StrEnum):
    """Right answers against what was to be expected at the person's estimate."""

    FEWER = "fewer"
    ALIKE = "alike"
    MORE = "more"


class Span(msgspec.Struct, frozen=True):
    """A value with its 95 % interval, in points of 0–100."""

    value: float
    low: float
    high: float

    @property
    def whole(self) -> tuple[int, int, int]:
        """In whole points; the interval outwards, so that it holds all of itself, and the value."""
        return round(self.value), math.floor(self.low + ROUNDING), math.ceil(self.high - ROUNDING)

    @property
    def sentence(self) -> str:
        value, low, high = self.whole
        return _("%(value)s, likely between %(low)s and %(high)s") % {"value": value, "low": low, "high": high}

    @property
    def range(self) -> str:
        _value, low, high = self.whole
        return _("%(low)s to %(high)s") % {"low": low, "high": high}

    def overlaps(self, other: "Span") -> bool:
        return self.low <= other.high and other.low <= self.high


class SubdomainResult(msgspec.Struct, frozen=True):
    """`expected` is Σ P of the questions asked, at the person's estimate in the component."""

    name: str
    title: str
    about: str
    practise: Practice
    asked: int
    right: int
    expected: float
    missed_levels: list[int]

    @property
    def anchor(self) -> str:
        """Its id on the page."""
        return f"subdomain-{self.name}"

    @property
    def gap(self) -> float:
        """Right answers that were expected and not given; below 0 where more were given."""
        return self.expected - self.right

    @property
    def against(self) -> Against:
        if abs(self.gap) < A_HALF:
            return Against.ALIKE
        return Against.FEWER if self.gap > 0 else Against.MORE


class ComponentResult(msgspec.Struct, frozen=True):
    """`span` is of this component's answers alone; `combined` is what enters V^R, after the other two were heard."""

    name: str
    weight: float
    span: Span
    combined: float
    about: str = ""
    subdomains: list[SubdomainResult] = []

    @property
    def title(self) -> str:
        return str(TITLES[self.name])

    @property
    def asked(self) -> int:
        return sum(one.asked for one in self.subdomains)

    @property
    def right(self) -> int:
        return sum(one.right for one in self.subdomains)
