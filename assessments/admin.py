"""Assessments and scores as operators see them; a test that somebody took is not mended, only deleted."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.models import User
from assessments import services
from assessments.models import AIRScore, Assessment, Status
from assessments.scoring import COMPONENTS
from qulab.admin.declare import Admin, Column, Editing, Link, NotByHand, Sort, deletion
from qulab.admin.filters import Exact, OneOf, Period
from qulab.admin.site import site
from qulab.db.session import Session

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

NO_CHOICE = {
    "invalid_choice": _("There is no “%(value)s” here. Choose one of the list."),
    "required": _("Choose one of the list."),
}
STATUSES: "Mapping[str, StrPromise | str]" = {
    Status.IN_PROGRESS: _("in progress"),
    Status.COMPLETED: _("completed"),
    Status.ABANDONED: _("abandoned"),
}
NOT_BY_HAND = _("This belongs to a test that somebody took: what was measured stays as it is. You can delete it.")
NONE_YET = ("", "–")  # or a value that is not in the list would be shown, and stored, as the first that is


class AssessmentFields(forms.Form):
    """What may be mended; the ability and the items are measured."""

    status = forms.ChoiceField(
        label=_("Status"),
        choices=[NONE_YET, *STATUSES.items()],
        error_messages=NO_CHOICE,
    )
    component = forms.ChoiceField(
        label=_("Component"), choices=[NONE_YET, *((name, name) for name in COMPONENTS)], error_messages=NO_CHOICE
    )


async def _change(session: Session, key: str, version: int, **changes: Any) -> Assessment:
    try:
        return await services.change_assessment(session, assessment_id=key, version=version, **changes)
    except services.Measured as measured:
        raise NotByHand(next(iter(changes)), NOT_BY_HAND) from measured


site.register(
    Admin(
        model=Assessment,
        name="assessments",
        title=_("Assessments"),
        one=_("Assessment"),
        about=_("Runs through one component of the test."),
        empty=_("There are no assessments yet. Who takes the test begins one, and manage.py seed makes many."),
        label=lambda assessment: assessment.component,
        columns=[
            Column("component", _("Component"), link=True),
            Column("user", _("User")),
            Column("status", _("Status")),
            Column("current_ability", _("Ability θ"), digits=2),
            Column("posterior_sd", _("SD"), digits=2),
            Column("items_administered", _("Items")),
            Column("created_at", _("Created (UTC)"), sort="created"),
        ],
        search=[Assessment.component, User.name, User.email],
        search_hint=_("Part of a component, name or address, or an id"),
        ids=[Assessment.user_id, Assessment.sitting_id],
        filters=[
            OneOf(Assessment.status, _("Status"), lambda: STATUSES),
            Exact(Assessment.component, _("Component")),
            Exact(Assessment.user_id, _("User id"), "user"),
            Exact(Assessment.sitting_id, _("Sitting id"), "sitting"),
            Period(Assessment.created_at),
        ],
        tags=frozenset({"status"}),
        sorts={"created": Sort(Assessment.id, _("Oldest first"), _("Newest first"))},
        editing=Editing(form=AssessmentFields, change=_change, fixed=lambda one: NOT_BY_HAND if one.sitting_id else ""),
        actions=[
            deletion(
                question=lambda n: (
                    ngettext("Delete %(n)s assessment?", "Delete %(n)s assessments?", n) % {"n": f"{n:,}"}
                ),
                done=lambda n: (
                    ngettext("%(n)s assessment is deleted.", "%(n)s assessments are deleted.", n) % {"n": f"{n:,}"}
                ),
                run=services.remove_assessments,
                consequence=_(
                    "A deletion cannot be undone. A test in progress that loses a part of it ends, unscored."
                ),
            )
        ],
        along={"responses": lambda n: ngettext("asked question", "asked questions", n)},
        links=[
            Link(_("The whole sitting"), "assessments", {}, {"sitting": "sitting_id"}),
            Link(_("Its score"), "scores", {}, {"sitting": "sitting_id"}),
            Link(_("Events about this assessment"), "events", {"aggregate_type": "Assessment"}, {"aggregate_id": "id"}),
        ],
    )
)

site.register(
    Admin(
        model=AIRScore,
        name="scores",
        title=_("Scores"),
        one=_("Score"),
        about=_("AI-R scores with their intervals, and what each was calculated from."),
        empty=_("There are no scores yet. Who takes the test to its end gets one, and manage.py seed makes many."),
        label=lambda score: f"AI-R {score.air_score:.1f}",
        columns=[
            Column("id", _("Id"), link=True),
            Column("user", _("User")),
            Column("occupation_code", _("Occupation")),
            Column("air_score", "AI-R", sort="air_score", digits=1),
            Column("ci_lower", _("From"), digits=1),
            Column("ci_upper", _("To (95 %)"), digits=1),
            Column("created_at", _("Created (UTC)"), sort="created"),
        ],
        search=[User.name, User.email],
        search_hint=_("Part of the user's name or address, or an id"),
        ids=[AIRScore.user_id, AIRScore.sitting_id],
        filters=[
            Exact(AIRScore.occupation_code, _("Occupation code")),
            Exact(AIRScore.user_id, _("User id"), "user"),
            Exact(AIRScore.sitting_id, _("Sitting id"), "sitting"),
            Period(AIRScore.created_at),
        ],
        sorts={
            "created": Sort(AIRScore.id, _("Oldest first"), _("Newest first")),
            "air_score": Sort(AIRScore.air_score, _("AI-R, low to high"), _("AI-R, high to low")),
        },
        fixed=_("A score is calculated from answers, never edited. Delete it, and calculate another."),
        actions=[
            deletion(
                question=lambda n: ngettext("Delete %(n)s score?", "Delete %(n)s scores?", n) % {"n": f"{n:,}"},
                done=lambda n: ngettext("%(n)s score is deleted.", "%(n)s scores are deleted.", n) % {"n": f"{n:,}"},
                run=services.remove_scores,
            )
        ],
        links=[
            Link(_("Assessments it came from"), "assessments", {}, {"sitting": "sitting_id"}),
            Link(_("Events about this score"), "events", {"aggregate_type": "AIRScore"}, {"aggregate_id": "id"}),
        ],
    )
)
