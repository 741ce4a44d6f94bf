"""Before a test one reads what it is and is not, and chooses an occupation. Nothing is stored until it begins."""

from datetime import datetime
from http import HTTPStatus
from typing import Self

import msgspec
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _

from accounts.selectors import account_of
from assessments import sittings
from assessments.bank import bank
from assessments.forms import BeginForm
from assessments.occupations import OCCUPATIONS, Occupation, search
from assessments.outcomes import Span
from assessments.selection import MOST_ITEMS
from assessments.selectors import last_occupation_of, overview_of
from assessments.snapshots import ListedScore
from assessments.views.common import page, show, to
from assessments.views.shown import parts_of
from qulab.access import limits
from qulab.access.limits import Limit
from qulab.access.pages import me
from qulab.db.middleware import DatabaseRequest

BEGIN = Limit("begin", 30, 3600, _("You have begun tests again and again."))
LONGEST_SEARCH = 80  # characters
USUAL_ITEMS = 13  # of a part, at least: the simulation of the bank hardly has a test that ends sooner
SOC_LENGTH = len("15-1252")  # without what O*NET puts behind it


class Choices(msgspec.Struct, frozen=True):
    """The occupations to choose from, each once; `chosen` is the code that is marked among them."""

    asked: str
    found: list[Occupation]
    proposed: Occupation | None
    is_of_last_test: bool  # the proposed one; else the profile has it
    chosen: str
    others: list[Occupation]


class ScoreShown(msgspec.Struct, frozen=True):
    """In whole points, as its own page has them."""

    id: str
    created_at: datetime
    occupation: str
    value: int
    low: int
    high: int

    @classmethod
    def of(cls, score: ListedScore) -> Self:
        known = OCCUPATIONS.get(score.occupation_code)
        title = known.title if known else score.occupation_code
        points = Span(score.air_score, score.ci_lower, score.ci_upper).whole
        return cls(score.id, score.created_at, title, *points)


@page()
async def overview(request: DatabaseRequest) -> HttpResponseBase:
    seen = await overview_of(request.db, me(request).id)
    context = {
        "open": seen.open,
        "parts": parts_of(seen.open) if seen.open and not seen.open.is_outdated else [],
        "occupation": OCCUPATIONS.get(seen.open.occupation_code) if seen.open else None,
        "scores": [ScoreShown.of(score) for score in seen.scores],
        "components": bank().components,
        "usual": USUAL_ITEMS,
        "most": MOST_ITEMS,
    }
    return show(request, "overview", context)


@page("POST")
async def begin(request: DatabaseRequest) -> HttpResponseBase:
    """GET searches for an occupation; POST begins, or leads to the test that is open already."""
    if request.method != "POST":
        return await _choose(request, BeginForm())
    form = BeginForm(request.POST)
    if not form.is_valid():
        return await _choose(request, form)
    person, code = me(request), form.cleaned_data["occupation_code"]
    refusal = await limits.hit(BEGIN, person.id)
    if refusal:
        return limits.too_many(request, refusal)
    try:
        return to("sitting", await sittings.begin(request.db, user_id=person.id, occupation_code=code))
    except sittings.OpenSitting as already:
        return to("sitting", already.sitting_id)


async def _choose(request: DatabaseRequest, form: BeginForm) -> HttpResponseBase:
    await request.db.stop_writing()
    asked = (request.POST.get("q") or request.GET.get("q") or "").strip()[:LONGEST_SEARCH]
    proposed, is_of_last_test = (None, False) if asked else await _proposed(request)
    context = {
        "form": form,
        "choices": choices(asked, proposed, is_of_last_test, form),
        "total": len(OCCUPATIONS),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    return show(request, "begin", context, status=status)


async def _proposed(request: DatabaseRequest) -> tuple[Occupation | None, bool]:
    """What the profile says, as O*NET writes it too; else that of the last score, and then True."""
    user_id = me(request).id
    of_profile = (await account_of(request.db, user_id)).user.occupation_code or ""
    known = OCCUPATIONS.get(of_profile.strip()[:SOC_LENGTH])
    return (known, False) if known else (OCCUPATIONS.get(await last_occupation_of(request.db, user_id)), True)


def choices(asked: str, proposed: Occupation | None, is_of_last_test: bool, form: BeginForm) -> Choices:
    """What a search found, else what is proposed, else all."""
    found = search(asked) if asked else []
    chosen = form["occupation_code"].value() or ""
    if not chosen and proposed:
        chosen = proposed.code
    elif not chosen and len(found) == 1:
        chosen = found[0].code
    first = found if asked else [proposed] if proposed else []
    others = [one for one in OCCUPATIONS.values() if one not in first]
    return Choices(asked, found, proposed, is_of_last_test, chosen, others)
