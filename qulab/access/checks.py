"""`manage.py check` names every address that does not say whom it lets in."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.urls import URLPattern, URLResolver, get_resolver

from qulab.access.needs import need_of


@register(Tags.urls)
def every_address_says_whom_it_lets_in(app_configs: object, **_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"The address {route!r} says not whom it lets in, so it is closed to everybody.",
            hint="Put it into guarded(Need…, […]) in its urls module.",
            obj=f"{pattern.callback.__module__}.{pattern.callback.__qualname__}",
            id="qulab.access.E001",
        )
        for route, pattern in addresses(get_resolver().url_patterns)
        if need_of(pattern.callback) is None
    ]


def addresses(patterns: Iterable[URLPattern | URLResolver], before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every address below `patterns`, with its whole route."""
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        else:
            yield route, pattern
