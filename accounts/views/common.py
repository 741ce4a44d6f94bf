"""Nobody keeps a copy of what is said about an account; what cannot be done now is said with 503, never with 500."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _

from accounts.hashing import RETRY_AFTER, Busy
from qulab.access import pages
from qulab.access.pages import View

LONGEST_NEXT = 2000  # characters of an address


def page(*methods: str) -> Callable[[View], View]:
    """A page that GET shows; with "POST" it also takes a form."""

    def decorate(view: View) -> View:
        @pages.page(*methods)
        @wraps(view)
        async def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                return await view(request, *args, **kwargs)
            except Busy:
                return later(request, _("Too many people are signing in"), str(Busy.__doc__))

        return answer

    return decorate


def action(view: View) -> View:
    """A form without a page of its own. Who follows its address, after a reload or by hand, comes to the account."""

    @page("POST")
    @wraps(view)
    async def answer(request: HttpRequest) -> HttpResponseBase:
        return await view(request) if request.method == "POST" else to("profile")

    return answer


def show(
    request: HttpRequest, name: str, context: dict[str, Any], *, status: HTTPStatus = HTTPStatus.OK
) -> HttpResponse:
    return render(request, f"accounts/{name}.html", context, status=status)


def refused(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    """The page again, with what is wrong at its field."""
    return show(request, name, context, status=HTTPStatus.UNPROCESSABLE_ENTITY)


def later(request: HttpRequest, title: str, why: str) -> HttpResponse:
    response = show(request, "later", {"title": title, "why": why}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    response["Retry-After"] = str(RETRY_AFTER)
    response._has_been_logged = True  # type: ignore[attr-defined]  # it is no error of this process
    return response


def to(name: str, **params: str) -> HttpResponseRedirect:
    """To another page of the account, which may be told what was done."""
    return HttpResponseRedirect(f"{reverse(f'accounts:{name}')}{'?' if params else ''}{urlencode(params)}")


def asked_next(request: HttpRequest) -> str:
    """The address of this site to go on to; "" for none, and for one elsewhere."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(asked, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return asked if safe and len(asked) <= LONGEST_NEXT else ""
