"""A recommendation has a cause on the same page: questions of a subdomain that were missed. Without one there is none.

Where to begin is where least was right against what was expected at the person's own estimate: so a recommendation
compares a person with themselves, and hard questions, which a good test asks many of, do not count as a weakness.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assessments.outcomes import Against, ComponentResult, SubdomainResult


class Level(StrEnum):
    """Of the easiest question missed: who misses an easy one begins there, whatever else was missed."""

    EASY = "easy"
    MIDDLE = "middle"
    HARD = "hard"

    @classmethod
    def of(cls, missed: Sequence[int]) -> "Level":
        easiest = min(missed)
        return cls.EASY if easiest < 0 else cls.MIDDLE if easiest == 0 else cls.HARD


MISSED: dict[Level, tuple[Promise, Promise]] = {  # of one question missed, and of several
    Level.EASY: (
        gettext_lazy("The question missed was an easy one."),
        gettext_lazy("An easy one was among those missed."),
    ),
    Level.MIDDLE: (
        gettext_lazy("The question missed was one of middle difficulty."),
        gettext_lazy("No easy one was missed."),
    ),
    Level.HARD: (
        gettext_lazy("The question missed was a hard one."),
        gettext_lazy("Only hard ones were missed."),
    ),
}


class Recommendation(msgspec.Struct, frozen=True):
    """What to practise, and the result that caused it."""

    component: str  # its title
    cause: SubdomainResult
    level: Level

    @property
    def practise(self) -> str:
        texts = {Level.EASY: self.cause.practise.easy, Level.MIDDLE: self.cause.practise.middle}
        return texts.get(self.level, self.cause.practise.hard)

    @property
    def reason(self) -> str:
        """How many were right, beside how many were expected to be."""
        told = {"right": self.cause.right, "asked": self.cause.asked, "expected": f"{self.cause.expected:.1f}"}
        if self.cause.against is Against.FEWER:
            return _("%(right)s of %(asked)s right, where %(expected)s were expected") % told
        if self.cause.against is Against.ALIKE:
            return _("%(right)s of %(asked)s right, about as many as expected") % told
        return _("%(right)s of %(asked)s right, more than the %(expected)s expected") % told

    @property
    def missed(self) -> str:
        """Which practice it is, and why."""
        of_one, of_more = MISSED[self.level]
        return str(of_one if len(self.cause.missed_levels) == 1 else of_more)


def recommendations(components: Sequence[ComponentResult]) -> list[Recommendation]:
    """At most four, the largest gap first: the weakest subdomain of each component, and one more where it is weak.

    So no component is left out, and one that is much weaker than the others gets two; but what misses less than half a
    question of what was expected is no reason for a second one. Ties go as the bank orders them.
    """
    missed = sorted(
        ((component, one) for component in components for one in component.subdomains if one.missed_levels),
        key=lambda pair: -pair[1].gap,
    )
    firsts = list({component.name: (component, one) for component, one in reversed(missed)}.values())
    others = [pair for pair in missed if pair not in firsts and pair[1].against is Against.FEWER]
    chosen = [*firsts, *others[:1]]
    return [
        Recommendation(component.title, cause, Level.of(cause.missed_levels))
        for component, cause in missed
        if (component, cause) in chosen
    ]
