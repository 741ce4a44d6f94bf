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
from django.urls import is_valid_path, reverse
from django.utils.cache import add_never_cache_headers, patch_cache_control, patch_vary_headers
from django.utils.http import urlencode

from qulab.access.needs import Need, need_of
from qulab.access.person import PERSON, UNKNOWN, Person, meet, operator, who_is_unknown
from qulab.access.sessions import SIGNED_OUT, SessionsAway, SessionStore, find_person
from qulab.db.errors import is_outage, table_is_missing

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
        if settings.SESSION_COOKIE_NAME in request.COOKIES and not is_valid_path(request.path_info):
            await _meet(request)  # no view will run, and the page that says so names who asks, too
        response = await self.get_response(request)
        if PERSON in request.__dict__:  # it was asked who this is
            patch_vary_headers(response, ("Cookie",))
        if request.session.accessed:
            # Not even the browser: on a shared machine its next user could go back.
            patch_cache_control(response, private=True, no_store=True)
            await _keep(request, response)
        return response

    async def process_view(self, request: HttpRequest, view: Callable[..., Any], *_: Any) -> HttpResponseBase | None:
        need = need_of(view)
        if need is Need.NOTHING:
            return None
        if need is None:
            logger.error("%s.%s is closed: its address says not whom it lets in", view.__module__, view.__qualname__)
            return _refused(request)
        is_off = need is Need.LAB and settings.LAB not in LAB_NEEDS
        if need is Need.LAB:
            need = LAB_NEEDS.get(settings.LAB, Need.ANYONE)
        person = await _meet(request)
        if is_off:
            raise Http404
        if who_is_unknown(request) and need is not Need.ANYONE:
            return away(request)
        return _answer(request, need, person)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """A view that needed the sessions or the database itself, and found them away."""
        if not _is_away(exception):
            return None
        logger.error("a view ended, as a server it needs is away: %s", type(exception).__name__)
        return away(request, in_view=not isinstance(exception, SessionsAway))


def away(request: HttpRequest, *, in_view: bool = False) -> HttpResponse:
    """Nobody is shown as signed out because Redis or the database is away. `in_view`: it is known who asks."""
    response = render(request, "503.html", {"in_view": in_view}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    response["Retry-After"] = RETRY_SECONDS
    add_never_cache_headers(response)
    response._has_been_logged = True  # type: ignore[attr-defined]  # it is no error of ours
    return response


def _is_away(error: Exception) -> bool:
    return isinstance(error, SessionsAway) or (is_outage(error) and not table_is_missing(error))


async def _meet(request: HttpRequest) -> Person | None:
    """Find out who asks, once; None where that cannot be told, too."""
    try:
        person = await _who(request)
    except Exception as error:
        if not _is_away(error):
            raise
        person, request.__dict__[UNKNOWN] = None, True
    meet(request, person)
    return person


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
    """Save what changed in the session, and send its cookie along; take the cookie back from who signed out.

    From nobody else: an answer to an older cookie may arrive after a newer one was sent, and must not take that.
    """
    session, name = request.session, settings.SESSION_COOKIE_NAME
    if request.__dict__.get(SIGNED_OUT) and session.is_empty():
        response.delete_cookie(name, samesite="Lax")
    if session.is_empty() or not session.modified:
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
