"""Before a view runs it is known who asks, and whoever may not is answered here; what says nothing is refused."""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.http import urlencode

from qulab.access.needs import Need, need_of
from qulab.access.person import PERSON, UNKNOWN, Person, meet, operator
from qulab.access.sessions import SessionsAway, SessionStore, find_person

logger = logging.getLogger(__name__)

SAFE = frozenset({"GET", "HEAD"})
LAB_NEEDS = {"open": Need.ANYONE, "staff": Need.STAFF}
RETRY_SECONDS = "5"

GetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class AccessMiddleware:
    async_capable = True
    sync_capable = False

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.session = SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
        response = await self.get_response(request)
        if PERSON in request.__dict__:  # it was asked who this is
            patch_vary_headers(response, ("Cookie",))
        if request.session.accessed:
            patch_cache_control(response, private=True)
            await _keep(request, response)
        return response

    async def process_view(self, request: HttpRequest, view: Callable[..., Any], *_: Any) -> HttpResponseBase | None:
        need = need_of(view)
        if need is Need.NOTHING:
            return None
        if need is None:
            logger.error("%s.%s is closed: its address says not whom it lets in", view.__module__, view.__qualname__)
            return _refused(request)
        if need is Need.LAB:
            if settings.LAB not in LAB_NEEDS:
                raise Http404
            need = LAB_NEEDS[settings.LAB]
        try:
            person = await _who(request)
        except SessionsAway:
            if need is not Need.ANYONE:
                return away(request)
            person, request.__dict__[UNKNOWN] = None, True
        meet(request, person)
        return _answer(request, need, person)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """A view that needed the sessions itself, and found them away."""
        return away(request) if isinstance(exception, SessionsAway) else None


def away(request: HttpRequest) -> HttpResponse:
    """Nobody is shown as signed out because Redis is away."""
    response = render(request, "503.html", status=HTTPStatus.SERVICE_UNAVAILABLE)
    response["Retry-After"] = RETRY_SECONDS
    response._has_been_logged = True  # type: ignore[attr-defined]  # it is no error of ours
    return response


async def _who(request: HttpRequest) -> Person | None:
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return operator(request)
    return await find_person(request) or operator(request)


def _answer(request: HttpRequest, need: Need, person: Person | None) -> HttpResponseBase | None:
    """None lets the request through. The operator has no account, so a page about one's own leads to the sign-in."""
    if need is Need.ANYONE or (need is Need.PERSON and person is not None and person.id):
        return None
    if need is Need.STAFF and person is not None:
        return None if person.is_staff else _refused(request)
    after = urlencode({"next": request.get_full_path()}) if request.method in SAFE else ""
    return HttpResponseRedirect(f"{reverse('accounts:sign-in')}{'?' if after else ''}{after}")


def _refused(request: HttpRequest) -> HttpResponse:
    return render(request, "403.html", status=HTTPStatus.FORBIDDEN)


async def _keep(request: HttpRequest, response: HttpResponseBase) -> None:
    """Save what changed in the session, and send its cookie along; take the cookie back where there is no session."""
    session, name = request.session, settings.SESSION_COOKIE_NAME
    if session.is_empty():
        if name in request.COOKIES:
            response.delete_cookie(name, samesite="Lax")
        return
    if not session.modified:
        return
    try:
        await session.asave()
    except (SessionsAway, UpdateError) as error:  # a later end was to be noted, or it was ended meanwhile
        logger.warning("a session was not saved: %s", type(error).__name__)
        return
    response.set_cookie(
        name,
        session.session_key or "",
        max_age=settings.SESSION_COOKIE_AGE,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
