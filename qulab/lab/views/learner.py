"""What a learner did is kept by who did it: these views write a cookie and send no statement."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from qulab.lab.learner import Outcome, checkpoints, cookie, learner_of, remember
from qulab.lab.learner.checkpoints import Asked, Checkpoint
from qulab.lab.views.common import UNPROCESSABLE

Page = Callable[[Any], Coroutine[Any, Any, HttpResponse]]


def visit(section: int, page: Page) -> Page:
    """The page of a section, which remembers that it was seen."""

    @wraps(page)
    async def answer(request: HttpRequest) -> HttpResponse:
        before = learner_of(request)
        learner = cookie.keep(request, before.visit(section))
        response = await page(request)
        if learner != before and cookie.NAME not in response.cookies:
            remember(response, learner)
        return response

    return answer


async def checkpoint(request: HttpRequest, name: str) -> HttpResponse:
    """An answer: in its place with htmx, else back at the section, which then shows what became of it."""
    asked = _find(name)
    if request.method != "POST":
        return HttpResponseRedirect(f"{reverse(asked.section.url_name)}#checkpoint")
    chosen = request.POST.get("choice", "")
    if asked.choice(chosen) is None:
        return _show(request, Asked.of(learner_of(request), asked, problem=_("Choose one of these answers.")))
    learner = learner_of(request).answer(name, Outcome.of(chosen == asked.right))
    if "HX-Request" in request.headers:
        response = render(
            request, "partials/checkpoint.html", {"asked": Asked.of(learner, asked, chosen), "here": True}
        )
    else:
        response = HttpResponseRedirect(f"{reverse(asked.section.url_name)}?answer={chosen}#checkpoint")
    remember(response, learner)
    return response


async def forget(request: HttpRequest) -> HttpResponse:
    response = HttpResponseRedirect(reverse("home"))
    if request.method == "POST":
        cookie.forget(response)
    return response


def _find(name: str) -> Checkpoint:
    try:
        return checkpoints.checkpoint(name)
    except KeyError:
        raise Http404(_("No section asks %(name)s.") % {"name": name}) from None


def _show(request: HttpRequest, asked: Asked) -> HttpResponse:
    context = {"asked": asked, "section": asked.checkpoint.section}
    template = "partials/checkpoint.html" if "HX-Request" in request.headers else "lab/checkpoint.html"
    return render(request, template, context, status=UNPROCESSABLE)
