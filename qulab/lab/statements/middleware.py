"""The log of a page holds all that its request sent, from before the view until the page was ready, and adds nothing.

Only whole documents of the lab get one: parts of pages, streams, redirects and data pass as they are.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

from qulab.db.engine import get_database
from qulab.db.probe import Probe, probe
from qulab.lab.audience import sees_lab
from qulab.lab.statements.log import log_of

LAB = "qulab.lab."
DOCUMENT = b"<!doctype html>"
FOOT = b"</main>"

GetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class StatementLogMiddleware:
    """Opens a probe where the address leads to a view of the lab; other requests pay for one look at a name."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with ExitStack() as until_answered:
            request.__dict__["watch_statements"] = lambda: until_answered.enter_context(probe(get_database().engine))
            response = await self.get_response(request)
            opened: Probe | None = request.__dict__.get("statements")
            if opened is not None and sees_lab(request) and _is_page(response):
                _append(response, opened)
            return response

    async def process_view(self, request: HttpRequest, view: Callable[..., Any], *_: Any) -> None:
        if view.__module__.startswith(LAB):
            request.__dict__["statements"] = request.__dict__["watch_statements"]()


def _is_page(response: HttpResponseBase) -> bool:
    """A whole document. One with an ETag is left as its view has named it."""
    return isinstance(response, HttpResponse) and response.content.startswith(DOCUMENT) and "ETag" not in response


def _append(response: HttpResponseBase, opened: Probe) -> None:
    assert isinstance(response, HttpResponse)
    log = log_of(opened, get_database().dialect, until=1000 * (time.perf_counter() - opened.began))
    page, foot, rest = response.content.rpartition(FOOT)
    if foot:
        response.content = page + render_to_string("partials/statement_log.html", {"log": log}).encode() + foot + rest
