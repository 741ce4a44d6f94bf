"""A recommendation has a cause on the same page: questions of a subdomain that were missed. Without one there is none.

Where to begin is where least was right against what was expected at the person's own estimate: so a recommendation
compares a person with themselves, and hard questions, which a good test asks many of, do not count as a weakness.
"""

from collections.abc import Sequence

import msgspec

from assessments.outcomes import ComponentResult, SubdomainResult


class Recommendation(msgspec.Struct, frozen=True):
    """What to practise, and the result that caused it."""

    component: str  # its title
    cause: SubdomainResult
    practise: str

    @classmethod
    def of(cls, component: ComponentResult, cause: SubdomainResult) -> "Recommendation":
        return cls(component.title, cause, practice(cause))


def practice(cause: SubdomainResult) -> str:
    """By the easiest question missed: who misses an easy one begins there, whatever else was missed."""
    easiest = min(cause.missed_levels)
    if easiest < 0:
        return cause.practise.easy
    return cause.practise.middle if easiest == 0 else cause.practise.hard


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
    return [Recommendation.of(*pair) for pair in missed if pair in chosen]
