"""Nobody keeps a copy of a page about somebody's own, and what is gone since the request began is not there."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from qulab.access.person import Person, person_of
from qulab.db.errors import NotFound

SAFE = ("GET", "HEAD")

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
            except NotFound:
                raise Http404 from None

        return answer

    return decorate


def me(request: HttpRequest) -> Person:
    """Who is signed in, where the address let nobody else come."""
    person = person_of(request)
    if person is None or not person.id:
        raise Http404
    return person
