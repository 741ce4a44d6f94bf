"""Who sits at this machine needs no account where `manage.py lab` serves on loopback. Nobody else passes for them.

A proxy on this machine that neither forwards the caller's address nor keeps the host's name cannot be told from a
person here: so the setting is refused where the server has a name beyond loopback.
"""

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port

# What proxies add: with any of these the peer is not the person.
FORWARDING = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")


def is_operator(request: HttpRequest) -> bool:
    """Whether this machine's operators are trusted, and this request comes from one."""
    return bool(settings.LOCAL_OPERATOR) and comes_from_here(request)


def comes_from_here(request: HttpRequest) -> bool:
    """From this machine, for this machine, through nobody."""
    return (
        _is_loopback(request.META.get("REMOTE_ADDR", ""))
        # The name too: a page elsewhere may point a name of its own at this machine.
        and _host(request) in settings.LOOPBACK
        and not any(header in request.headers for header in FORWARDING)
    )


def _is_loopback(address: str) -> bool:
    try:
        peer = ip_address(address)
    except ValueError:
        return False
    return (getattr(peer, "ipv4_mapped", None) or peer).is_loopback


def _host(request: HttpRequest) -> str:
    # Not get_host(): it raises where the name is not allowed, and pages about that ask here too.
    return split_domain_port(request.headers.get("Host", ""))[0]
