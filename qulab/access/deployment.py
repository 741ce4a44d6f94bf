"""`manage.py check --deploy` names what a server in the open lacks.

Django's own checks look for the names of its middlewares and find none: ours are subclasses. So these stand in for the
three that the settings silence, and for all that Django leaves out where it has not found its names.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's name for it
from django.http.request import validate_host
from django.utils.module_loading import import_string

MONTH = 30 * 24 * 3600  # seconds
REPLACED = {"security.W001", "security.W002", "security.W003"}
HOST_PREFIX = "__Host-"

# From the outside in. What stands further out sets its headers also on what those further in answer by themselves.
CHAIN = (
    "qulab.lean.middleware.HeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.middleware.common.CommonMiddleware",  # it asks for the host's name, which must be an allowed one
    "django.middleware.csrf.CsrfViewMiddleware",
    "qulab.db.middleware.SessionMiddleware",
    "qulab.access.middleware.AccessMiddleware",
)

Fits = Callable[[Any], bool]


def _is_on(value: object) -> bool:
    return value is True


def _is_host_cookie(name: str) -> bool:
    return name.startswith(HOST_PREFIX)


def _has_no_inline_code(policy: Mapping[str, Mapping[str, list[str]]]) -> bool:
    directives = policy["DIRECTIVES"]
    sources = [source for listed in directives.values() for source in listed]
    return directives.get("default-src") == ["'none'"] and not any("unsafe" in one or "*" in one for one in sources)


SETTINGS: dict[str, tuple[Fits, str]] = {
    "SECURE_SSL_REDIRECT": (_is_on, "what is asked for without TLS is answered without TLS"),
    "SECURE_HSTS_SECONDS": (lambda seconds: seconds >= MONTH, "browsers may come back without TLS within a month"),
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": (_is_on, "a subdomain without TLS can set cookies for this host"),
    "SECURE_HSTS_PRELOAD": (_is_on, "the first visit of a browser may be without TLS"),
    "SECURE_CONTENT_TYPE_NOSNIFF": (_is_on, "browsers guess types"),
    "SECURE_REFERRER_POLICY": (
        {"no-referrer", "same-origin"}.__contains__,
        "other sites learn addresses of pages, and some of those let their reader in",
    ),
    "SECURE_CROSS_ORIGIN_OPENER_POLICY": (
        {"same-origin"}.__contains__,
        "another site may hold on to a window of ours",
    ),
    "X_FRAME_OPTIONS": ({"DENY"}.__contains__, "other sites may frame these pages"),
    "CONTENT_SECURITY_POLICY": (_has_no_inline_code, "pages may run code that stands in them, or comes from elsewhere"),
    "SESSION_COOKIE_SECURE": (_is_on, "the session's cookie is sent without TLS"),
    "SESSION_COOKIE_NAME": (_is_host_cookie, f"without the prefix {HOST_PREFIX} a subdomain may set it"),
    "CSRF_COOKIE_SECURE": (_is_on, "the cookie of the forms is sent without TLS"),
    "CSRF_COOKIE_HTTPONLY": (_is_on, "scripts can read the cookie of the forms"),
    "CSRF_COOKIE_NAME": (_is_host_cookie, f"without the prefix {HOST_PREFIX} a subdomain may set it"),
    "CSRF_TRUSTED_ORIGINS": (lambda origins: all(one.startswith("https://") for one in origins), "one is without TLS"),
    "ALLOWED_HOSTS": (lambda hosts: "*" not in hosts, "whatever a request calls this host is believed"),
    "SITE_URL": (
        lambda url: url.startswith("https://") and validate_host(urlsplit(url).hostname or "", settings.ALLOWED_HOSTS),
        "links in mail let their reader set a password: they must lead here, over TLS. Set QULAB_SITE_URL",
    ),
    "STOCK_DJANGO": (lambda stock: not stock, "Django's own path bounds no headers, and no body while it is read"),
    "EMAIL_BACKEND": (
        lambda path: "console" not in path,
        "links that reset a password are written to the log and reach nobody: set QULAB_EMAIL_HOST",
    ),
    "SILENCED_SYSTEM_CHECKS": (REPLACED.issuperset, "something is silenced that nothing here stands in for"),
}


@register(Tags.security, deploy=True)
def settings_fit_the_open(app_configs: object, **_: Any) -> list[CheckMessage]:
    return [
        Warning(f"{name} is {getattr(settings, name)!r}: {why}.", id="qulab.access.W003")
        for name, (fits, why) in SETTINGS.items()
        if not fits(getattr(settings, name))
    ]


@register(Tags.security, deploy=True)
def middlewares_guard_each_answer(app_configs: object, **_: Any) -> list[CheckMessage]:
    """Each of CHAIN is there, itself or a subclass, in that order."""
    present = [import_string(path) for path in settings.MIDDLEWARE]
    places = {path: _place(import_string(path), present) for path in CHAIN}
    missing: list[CheckMessage] = [
        Error(f"No middleware of MIDDLEWARE is a {path}.", id="qulab.access.E004")
        for path, place in places.items()
        if place is None
    ]
    found = [(path, place) for path, place in places.items() if place is not None]
    return missing + [
        Error(f"In MIDDLEWARE, {inner} must come after {outer}.", id="qulab.access.E005")
        for (outer, before), (inner, after) in pairwise(found)
        if before > after
    ]


def _place(wanted: object, present: list[object]) -> int | None:
    for place, one in enumerate(present):
        if one is wanted or (isinstance(one, type) and isinstance(wanted, type) and issubclass(one, wanted)):
            return place
    return None
