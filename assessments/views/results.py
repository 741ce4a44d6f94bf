"""A result is its owner's alone: to everybody else there is none at its address."""

import msgspec
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from assessments import drawings
from assessments.equations import equations
from assessments.history import history_of
from assessments.occupations import OCCUPATIONS
from assessments.outcomes import ComponentResult
from assessments.results import result_of
from assessments.selectors import score_of
from qulab.access.pages import me, page
from qulab.db.middleware import DatabaseRequest

HIDDEN = "user_id"  # of no use to whom the file is shown, and it names a person


@page()
async def result(request: DatabaseRequest, score_id: str) -> HttpResponseBase:
    score = await score_of(request.db, user_id=me(request).id, score_id=score_id)
    past = await history_of(request.db, score)
    told = result_of(score)
    context = {
        "result": told,
        "occupation": told.figures or OCCUPATIONS.get(score.occupation_code),
        "scale": drawings.score_scale(told.span, told.unreachable),
        "components": [_drawn(one) for one in told.components],
        "equations": equations(told),
        "history": past,
        "history_drawings": drawings.score_history(past),
    }
    return render(request, "assessments/result.html", context)


@page()
async def result_json(request: DatabaseRequest, score_id: str) -> HttpResponseBase:
    """The score and all it was calculated from: `assessments.scoring.recalculate` gives it again."""
    score = await score_of(request.db, user_id=me(request).id, score_id=score_id)
    told = {name: value for name, value in msgspec.to_builtins(score).items() if name != HIDDEN}
    response = HttpResponse(msgspec.json.format(msgspec.json.encode(told)), content_type="application/json")
    response["Content-Disposition"] = f'inline; filename="qulab-score-{score.id}.json"'
    return response


def _drawn(component: ComponentResult) -> dict[str, object]:
    return {
        "told": component,
        "scale": [drawings.component_scale(component.span)],
        "subdomains": [{"told": one, "squares": [drawings.squares(one)]} for one in component.subdomains],
    }
