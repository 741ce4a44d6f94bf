"""Every address of the project, found by walking its URL patterns: a new one is fuzzed without being listed here."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve
from django.urls.resolvers import RoutePattern
from django.utils.regex_helper import normalize

CONVERTERS = {"str": r"[^/]{1,40}", "slug": r"[-a-zA-Z0-9_]{1,20}", "int": r"[0-9]{1,20}", "path": r".{1,40}"}
GROUP = re.compile(r"\(\?P<(\w+)>((?:[^()]|\([^()]*\))*)\)")


class Route(NamedTuple):
    """One URL pattern. `template` has a place `%(name)s` for each group, `groups` what the pattern allows there."""

    name: str
    template: str
    groups: dict[str, str]

    def path(self, values: dict[str, str]) -> str:
        return "/" + self.template % values


def routes() -> list[Route]:
    return sorted(_walk(get_resolver(), ""))


def is_list(pattern: str) -> bool:
    """Whether the pattern of a group names each of the words that it allows."""
    return re.fullmatch(r"[\w|]+", pattern) is not None


def example_of(pattern: str, key: str) -> str:
    return pattern.partition("|")[0] if is_list(pattern) else key


def route_of(path: str) -> str | None:
    """The name of the route that an address on this site leads to."""
    try:
        return resolve(path).route
    except Resolver404:
        return None


def _walk(resolver: URLResolver, before: str) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        part = str(entry.pattern)
        whole = before + (part.removeprefix("^") if before else part)  # as Django names a route that it resolved
        if isinstance(entry, URLResolver):
            yield from _walk(entry, whole)
        elif isinstance(entry, URLPattern):
            yield Route(whole, _template(before, entry.pattern), _groups(entry.pattern))


def _template(before: str, pattern: Any) -> str:
    if isinstance(pattern, RoutePattern):
        return re.sub(r"<(?:\w+:)?(\w+)>", r"%(\1)s", f"{before}{pattern}".replace("%", "%%"))
    return f"{before}{normalize(str(pattern))[0][0]}"


def _groups(pattern: Any) -> dict[str, str]:
    if isinstance(pattern, RoutePattern):
        found = re.findall(r"<(?:(\w+):)?(\w+)>", str(pattern))
        return {name: CONVERTERS[converter or "str"] for converter, name in found}
    return dict(GROUP.findall(str(pattern)))
