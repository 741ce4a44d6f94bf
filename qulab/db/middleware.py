"""Each request is lent one session, which connects when used, is always closed, and is never committed here."""

from collections.abc import Awaitable, Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware

from qulab.db.engine import get_database
from qulab.db.session import Session

READS = frozenset({"GET", "HEAD", "OPTIONS"})


class DatabaseRequest(HttpRequest):
    """A request as the views see it. `db` reads under GET and HEAD, and may write under other methods."""

    db: Session


@async_only_middleware
def SessionMiddleware(  # noqa: N802 - the settings name it like Django's own, which are classes
    get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]],
) -> Callable[[HttpRequest], Awaitable[HttpResponseBase]]:
    async def middleware(request: HttpRequest) -> HttpResponseBase:
        database = get_database()
        lent = database.reading() if request.method in READS else database.writing()
        async with lent as session:
            request.db = session  # type: ignore[attr-defined]
            return await get_response(request)

    return middleware
