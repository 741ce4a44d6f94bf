"""A change is told beside what may explain it: overlapping intervals, another occupation, another formula."""

from collections.abc import Sequence

import msgspec
from django.utils.translation import gettext as _

from assessments.occupations import OCCUPATIONS
from assessments.outcomes import Span
from assessments.repositories import AIRScoreRepository
from assessments.scoring import INPUT_VERSION
from assessments.snapshots import AIRScoreSnapshot, ListedScore
from qulab.db.session import Session

MOST = 20


class Past(msgspec.Struct, frozen=True):
    """One score of the history."""

    score: ListedScore
    is_shown: bool  # it is the one that the page is about

    @property
    def span(self) -> Span:
        return Span(self.score.air_score, self.score.ci_lower, self.score.ci_upper)

    @property
    def occupation(self) -> str:
        """Its title; its code where this release has no such occupation."""
        code = self.score.occupation_code
        return OCCUPATIONS[code].title if code in OCCUPATIONS else code

    @property
    def is_given(self) -> bool:
        """Its abilities were given, not tested."""
        return self.score.parameter_version == INPUT_VERSION


class History(msgspec.Struct, frozen=True):
    """The latest scores of a person, the oldest first."""

    scores: list[Past]

    @property
    def is_full(self) -> bool:
        """There may be older ones."""
        return len(self.scores) >= MOST

    @property
    def comparison(self) -> str:
        """The score of the page beside the one before it, in sentences; empty where it is the first."""
        shown = next((i for i, one in enumerate(self.scores) if one.is_shown), 0)
        return _comparison(self.scores[shown - 1], self.scores[shown]) if shown else ""


async def history_of(session: Session, score: AIRScoreSnapshot) -> History:
    rows = await AIRScoreRepository(session).listed(score.user_id, limit=MOST)
    return history([ListedScore.of(row) for row in rows], score.id)


def history(latest_first: Sequence[ListedScore], shown: str) -> History:
    return History([Past(one, one.id == shown) for one in reversed(latest_first)])


def _comparison(before: Past, now: Past) -> str:
    difference = now.score.air_score - before.score.air_score
    told = [_change(difference), _overlap(before.span.overlaps(now.span))]
    if before.score.occupation_code != now.score.occupation_code:
        told.append(_("The two are for different occupations, so some of the difference is theirs and not yours."))
        told.append(_own_part(before.score.vr_score, now.score.vr_score))
    if before.score.parameter_version != now.score.parameter_version:
        told.append(_("They were not calculated in the same way, so the difference says little."))
    return " ".join(told)


def _change(difference: float) -> str:
    if abs(difference) < 0.05:
        return _("This score is the same as the one before it.")
    words = {"points": f"{abs(difference):.1f}"}
    if difference > 0:
        return _("This score is %(points)s points above the one before it.") % words
    return _("This score is %(points)s points below the one before it.") % words


def _own_part(before: float, now: float) -> str:
    """What is compared without the occupation."""
    told = {"before": f"{before:.1f}", "now": f"{now:.1f}"}
    if told["before"] == told["now"]:
        return _("Your own part (V) stayed at %(now)s.") % told
    return _("Your own part (V) went from %(before)s to %(now)s.") % told


def _overlap(overlap: bool) -> str:
    if overlap:
        return _("The two intervals overlap: measurement error alone may explain the difference.")
    return _("The two intervals do not overlap: measurement error alone hardly explains the difference.")
