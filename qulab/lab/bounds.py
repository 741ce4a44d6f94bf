"""What one address may ask of the lab: a class behind one address can work, and it cannot keep all others out.

Thirty people have eight actions and eight looks a minute each, two runs in ten minutes, and two tabs in view. More runs
than that one worker could not measure anyway. Who sits at this machine is not counted.
"""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from qulab.access.limits import Limit, Refusal, address_of, hit, too_many
from qulab.access.operator import is_operator
from qulab.db.middleware import DatabaseRequest

ACTIONS = Limit("lab-actions", 240, 60, _("From this address the lab was asked to do more than it does in a minute."))
LOOKS = Limit("lab-looks", 240, 60, _("From this address more was looked up in a minute than the lab looks up."))
RUNS = Limit(
    "lab-runs", 60, 600, _("From this address more runs were started in ten minutes than one worker measures.")
)
MOST_STREAMS = 60  # open at once to one address, of one process

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


async def count(request: HttpRequest, limit: Limit) -> Refusal | None:
    """Count what is asked for; a Refusal where it is too much."""
    return None if is_operator(request) else await hit(limit, address_of(request))


def within(limit: Limit) -> Callable[[View], View]:
    """A view that is counted: one time too many answers 429, and does nothing."""

    def decorate(view: View) -> View:
        @wraps(view)
        async def answer(request: DatabaseRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            refusal = await count(request, limit)
            return await view(request, *args, **kwargs) if refusal is None else too_many(request, refusal)

        return answer

    return decorate


def address(request: HttpRequest) -> str:
    """Where who asks is counted; empty for the operator at this machine."""
    return "" if is_operator(request) else address_of(request)


def network(request: HttpRequest) -> str:
    """A name of that address that tells nothing of it; empty for the operator at this machine."""
    where = address(request)
    return salted_hmac("qulab.lab.network", where, algorithm="sha256").hexdigest() if where else ""
