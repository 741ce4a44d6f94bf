"""A plan is shown only of a statement that a page of the lab has logged, and of nothing that a visitor wrote."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from qulab.access import limits
from qulab.db.middleware import DatabaseRequest
from qulab.lab import bounds
from qulab.lab.statements.explain import explain
from qulab.lab.statements.tokens import TooOld, Unsigned, logged

ASKED = "statement"
BAD = 400


@never_cache
@require_safe
async def page(request: DatabaseRequest) -> HttpResponse:
    """The plan as a page of its own, or alone where htmx puts it below its statement."""
    text, within = request.GET.get(ASKED, ""), "HX-Request" in request.headers
    if (refusal := await bounds.count(request, bounds.LOOKS)) is not None:
        return limits.too_many(request, refusal)
    try:
        statement = logged(text)
    except (TooOld, Unsigned) as refused:
        answer = render(request, "lab/explain_refused.html", {"why": refused.__doc__}, status=BAD)
        if within:
            answer["HX-Redirect"] = f"{reverse('lab:explain')}?{request.GET.urlencode()}"
        return answer
    plan = await explain(request.db, statement)
    return render(request, "partials/plan.html" if within else "lab/explain.html", {"plan": plan})
