"""Each request is lent one session, which is made when asked for, is always closed, and is never committed here.

Its trace, where it came with one, holds as long as the request.
"""

import asyncio
from collections.abc import Awaitable, Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware
from django.utils.functional import cached_property

from qulab import trace
from qulab.db.engine import get_database
from qulab.db.session import Session

READS = frozenset({"GET", "HEAD", "OPTIONS"})
TRACEPARENT = "HTTP_TRACEPARENT"


class DatabaseRequest(HttpRequest):
    """A request as the views see it. `db` reads under GET and HEAD, and may write under other methods."""

    @cached_property
    def db(self) -> Session:
        database = get_database()
        return database.reading() if self.method in READS else database.writing()


@async_only_middleware
def SessionMiddleware(  # noqa: N802 - the settings name it like Django's own, which are classes
    get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]],
) -> Callable[[HttpRequest], Awaitable[HttpResponseBase]]:
    async def middleware(request: HttpRequest) -> HttpResponseBase:
        if TRACEPARENT not in request.META:
            return await lend(request)
        with trace.within(request.META[TRACEPARENT]):
            return await lend(request)

    async def lend(request: HttpRequest) -> HttpResponseBase:
        # An attribute would need a session for each request, also for the many that never ask the database.
        request.__class__ = _lending(type(request))
        try:
            return await get_response(request)
        finally:
            session: Session | None = request.__dict__.get("db")
            if session is not None:
                # In a task of its own: a client that leaves now must not interrupt it half-way.
                await asyncio.shield(asyncio.ensure_future(session.close()))

    return middleware


_kinds: dict[type[HttpRequest], type[HttpRequest]] = {DatabaseRequest: DatabaseRequest}


def _lending(kind: type[HttpRequest]) -> type[HttpRequest]:
    """The handler's own kind of request, and a DatabaseRequest."""
    if kind not in _kinds:
        _kinds[kind] = type(f"Database{kind.__name__}", (DatabaseRequest, kind), {})
    return _kinds[kind]
