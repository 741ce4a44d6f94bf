"""Whose test it is comes from the session alone: another person's is answered like one that is not there."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse

from assessments.models import Sitting
from qulab.access import pages
from qulab.access.pages import View
from qulab.db.errors import NotFound


class SeeOther(HttpResponseRedirect):
    """What was sent is done; the browser asks for the next page with GET, and a reload sends nothing again."""

    status_code = HTTPStatus.SEE_OTHER


def page(*methods: str) -> Callable[[View], View]:
    """A page that GET shows; with "POST" it also takes a form."""

    def decorate(view: View) -> View:
        @pages.page(*methods)
        @wraps(view)
        async def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                return await view(request, *args, **kwargs)
            except NotFound as missing:
                if missing.model is not Sitting:
                    raise
                return show(request, "missing", {}, status=HTTPStatus.NOT_FOUND)

        return answer

    return decorate


def show(
    request: HttpRequest, name: str, context: dict[str, Any], *, status: HTTPStatus = HTTPStatus.OK
) -> HttpResponse:
    return render(request, f"assessments/{name}.html", context, status=status)


def to(name: str, *args: str) -> SeeOther:
    return SeeOther(reverse(f"assessments:{name}", args=args))
