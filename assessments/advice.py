"""A recommendation has a cause on the same page: questions of a subdomain that were missed. Without one there is none.

Where to begin is where least was right against what was expected at the person's own estimate: so a recommendation
compares a person with themselves, and hard questions, which a good test asks many of, do not count as a weakness.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from assessments.outcomes import ComponentResult, SubdomainResult


class Level(StrEnum):
    """Of the easiest question missed: who misses an easy one begins there, whatever else was missed."""

    EASY = "easy"
    MIDDLE = "middle"
    HARD = "hard"

    @classmethod
    def of(cls, missed: Sequence[int]) -> "Level":
        easiest = min(missed)
        return cls.EASY if easiest < 0 else cls.MIDDLE if easiest == 0 else cls.HARD


class Recommendation(msgspec.Struct, frozen=True):
    """What to practise, and the result that caused it."""

    component: str  # its title
    cause: SubdomainResult
    level: Level

    @property
    def practise(self) -> str:
        texts = {Level.EASY: self.cause.practise.easy, Level.MIDDLE: self.cause.practise.middle}
        return texts.get(self.level, self.cause.practise.hard)


def recommendations(components: Sequence[ComponentResult]) -> list[Recommendation]:
    """At most four, the largest gap first: the weakest subdomain of each component, and the weakest of all others.

    So no component is left out, and one that is much weaker than the others gets two. Ties go as the bank orders them.
    """
    missed = sorted(
        ((component, one) for component in components for one in component.subdomains if one.missed_levels),
        key=lambda pair: -pair[1].gap,
    )
    firsts = list({component.name: (component, one) for component, one in reversed(missed)}.values())
    others = [pair for pair in missed if pair not in firsts]
    chosen = [*firsts, *others[:1]]
    return [
        Recommendation(component.title, cause, Level.of(cause.missed_levels))
        for component, cause in missed
        if (component, cause) in chosen
    ]
