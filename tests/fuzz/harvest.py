"""What can be sent is learned from the project: links and forms of its pages, and names that views ask for."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any, NamedTuple
from unittest import mock
from urllib.parse import parse_qsl, quote, urljoin, urlsplit

from django import forms
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from tests.access.people import PASSWORD

from .wire import Pairs

TOKEN = "csrfmiddlewaretoken"
NEW_ADDRESS = "new@example.com"
FILLED = {"email": NEW_ADDRESS, "password": PASSWORD, "text": "A Person", "number": "1", "search": "a"}  # if left empty


class Seed(NamedTuple):
    """A request that a page offers, to be changed."""

    method: str
    path: str
    query: Pairs
    fields: Pairs
    caller: str = "operator"  # to whom it was offered

    @property
    def shape(self) -> tuple[object, ...]:
        path = re.sub(r"[0-9a-f-]{36}", "*", self.path)
        return (
            self.method,
            path,
            *sorted(str(name) for name, _ in self.query),
            *sorted(str(name) for name, _ in self.fields),
        )


class Page(HTMLParser):
    """Its links and its forms."""

    def __init__(self, address: str, html: str, caller: str) -> None:
        super().__init__()
        self.seeds: list[Seed] = []
        self._address, self._caller = address, caller
        self._form: tuple[str, str] | None = None
        self._fields: Pairs = []
        self._select = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for name in ("href", "hx-get"):
            if name in given and tag != "link":
                self._add("GET", given[name], [])
        if tag == "form":
            self._form, self._fields = (given.get("method", "get").upper(), given.get("action", "")), []
        elif tag == "select":
            self._select = given.get("name", "")
        elif tag == "option":
            self._fields.append((self._select, given.get("value", "")))
        elif tag in {"input", "button", "textarea"} and given.get("name", TOKEN) != TOKEN:
            self._fields.append((given["name"], given.get("value") or FILLED.get(given.get("type", ""), "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._form:
            method, action = self._form
            self._add(method, action, _first_of_each(self._fields))
            self._form = None

    def _add(self, method: str, href: str, fields: Pairs) -> None:
        parts = urlsplit(urljoin(self._address, href))
        if parts.scheme or parts.netloc:
            return
        query: Pairs = [*parse_qsl(parts.query, keep_blank_values=True)]
        if method == "GET":
            query, fields = query + fields, []
        self.seeds.append(Seed(method, quote(parts.path, safe="/%"), query, fields, self._caller))


def _first_of_each(fields: Pairs) -> Pairs:
    return list({name: (name, value) for name, value in reversed(fields)}.values())


@contextmanager
def names_asked_for() -> Iterator[set[str]]:
    """The names of parameters and fields that views ask for inside."""
    asked: set[str] = set()

    def watched(original: Any) -> Any:
        def method(self: MultiValueDict[str, str], key: Any, *rest: Any) -> Any:
            if isinstance(self, QueryDict) and isinstance(key, str):
                asked.add(key)
            return original(self, key, *rest)

        return method

    with (
        mock.patch.object(MultiValueDict, "__getitem__", watched(MultiValueDict.__getitem__)),
        mock.patch.object(MultiValueDict, "getlist", watched(MultiValueDict.getlist)),
        mock.patch.object(QueryDict, "__contains__", watched(dict.__contains__), create=True),
    ):
        yield asked


def names_of_all_forms() -> set[str]:
    """The fields of every form class of the project."""
    found: set[str] = set()
    waiting: list[Any] = [forms.Form]
    while waiting:
        form = waiting.pop()
        found |= set(form.base_fields)
        waiting += form.__subclasses__()
    return found
