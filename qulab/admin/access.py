"""Who may open the admin pages. Until there is sign-in: who sits at this machine. This is the only place that says so.

Sign-in will replace `is_open` by a check for staff. A proxy on this machine that neither forwards the caller's address
nor keeps the host's name cannot be told from a person here: never put such a one before a server with these pages.
"""

from collections.abc import Callable, Coroutine
from functools import wraps
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache

FORBIDDEN = 403
# What proxies add: with any of these the peer is not the person.
FORWARDING = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def is_open(request: HttpRequest | None) -> bool:
    """Whether this request comes from this machine, for this machine, through nobody."""
    return (
        request is not None
        and _is_loopback(request.META.get("REMOTE_ADDR", ""))
        # The name too: a page elsewhere may point a name of its own at this machine.
        and _host(request) in settings.LOOPBACK
        and not any(header in request.headers for header in FORWARDING)
    )


def local_only(view: View) -> View:
    """Answer on loopback only, and let nobody keep a copy. Every address of the admin goes through here."""

    @never_cache
    @wraps(view)
    async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not is_open(request):
            return render(request, "admin/closed.html", status=FORBIDDEN)
        return await view(request, *args, **kwargs)

    return guarded


def _is_loopback(address: str) -> bool:
    try:
        peer = ip_address(address)
    except ValueError:
        return False
    return (getattr(peer, "ipv4_mapped", None) or peer).is_loopback


def _host(request: HttpRequest) -> str:
    # Not get_host(): it raises where the name is not allowed, and pages about that ask here too.
    return split_domain_port(request.headers.get("Host", ""))[0]
