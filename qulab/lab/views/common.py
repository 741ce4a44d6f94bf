"""A result has an address: an action redirects to its run, and a run that is not this section's is a 404."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from django.http import Http404, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from qulab.db.middleware import DatabaseRequest
from qulab.lab import bounds, ownership, runs

OK = 200
FORBIDDEN = 403
CONFLICT = 409
UNPROCESSABLE = 422
TOO_MANY = 429
UNAVAILABLE = 503


async def asked_run(request: DatabaseRequest, section: int) -> runs.SavedRun | None:
    """The run that the address names; None without one. Raises Http404 for a run that is not here."""
    run_id = request.GET.get("run")
    if not run_id:
        return None
    run = await ownership.find_run(request, run_id, number=section)
    if run is None:
        raise Http404(_("There is no run %(id)s in this section. It may have been deleted.") % {"id": run_id})
    return run


View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def action(section: str) -> Callable[[View], View]:
    """A view for POST alone, counted. Who follows its address, after a reload or by hand, comes to the section."""

    def decorate(view: View) -> View:
        counted = bounds.within(bounds.ACTIONS)(view)

        @wraps(view)
        async def answer(request: DatabaseRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method != "POST":
                return HttpResponseRedirect(reverse(f"lab:{section}"))
            return await counted(request, *args, **kwargs)

        return answer

    return decorate


def to_run(section: str, run_id: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse(f'lab:{section}')}?run={run_id}#result")
