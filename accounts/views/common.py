"""Nobody keeps a copy of what is said about an account; what cannot be done now is said with 503, never with 500."""

from collections.abc import Callable, Coroutine
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.hashing import RETRY_AFTER, Busy
from qulab.access.person import Person, person_of
from qulab.db.errors import NotFound

SAFE = ("GET", "HEAD")
LONGEST_NEXT = 2000  # characters of an address

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def page(*methods: str) -> Callable[[View], View]:
    """A page that GET shows; with "POST" it also takes a form."""

    def decorate(view: View) -> View:
        @require_http_methods([*SAFE, *methods])
        @never_cache
        @sensitive_post_parameters()
        @wraps(view)
        async def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                return await view(request, *args, **kwargs)
            except NotFound:  # deleted since the request began
                raise Http404 from None
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


def me(request: HttpRequest) -> Person:
    """Who is signed in, where the address let nobody else come."""
    person = person_of(request)
    if person is None or not person.id:
        raise Http404
    return person


def asked_next(request: HttpRequest) -> str:
    """The address of this site to go on to; "" for none, and for one elsewhere."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(asked, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return asked if safe and len(asked) <= LONGEST_NEXT else ""
