"""Every address says whom it lets in. One that says nothing lets in nobody, and `manage.py check` names it."""

from collections.abc import Callable, Coroutine, Iterable
from enum import StrEnum
from functools import wraps
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import URLPattern

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


class Need(StrEnum):
    """NOTHING never asks who it is. LAB is what `settings.LAB` says: nobody, staff, or anyone."""

    NOTHING = "nothing"
    ANYONE = "anyone"
    PERSON = "person"
    STAFF = "staff"
    LAB = "lab"


def guarded(need: Need, patterns: Iterable[URLPattern]) -> list[URLPattern]:
    """The same addresses, all with this need."""
    marked = list(patterns)
    for pattern in marked:
        pattern.callback = _marked(need, pattern.callback)
    return marked


def need_of(view: Callable[..., Any]) -> Need | None:
    """None for a view that nobody decided about."""
    need: Need | None = getattr(view, "need", None)
    return need


def _marked(need: Need, view: View) -> View:
    """A function of its own: one view may stand at two addresses with two needs."""

    @wraps(view)
    async def guarded_view(*args: Any, **kwargs: Any) -> HttpResponseBase:
        return await view(*args, **kwargs)

    guarded_view.need = need  # type: ignore[attr-defined]
    return guarded_view
