"""What the lean path relies on in Django was read in these sources. When one changes: read it, then set its hash."""

import hashlib
import inspect

import pytest
from django.core import signals
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.deprecation import MiddlewareMixin

from qulab.lean.signals import IDLE

READ = {
    "the handler that LeanHandler repeats": (ASGIHandler.handle, "98faeb5bef800331"),
    "the entry that calls what LeanHandler repeats": (ASGIHandler.__call__, "f756809e9c9308dc"),
    "the body that limits.read_body reads in its place": (ASGIHandler.read_body, "cf4aa904631d5410"),
    "what makes no request only of a query that is no text": (ASGIHandler.create_request, "5eae59c6696013ff"),
    "the forms that cannot be read, and how they are marked": (HttpRequest._load_post_and_files, "651706c4c9ac1ede"),
    "what decides which hooks go to a thread": (BaseHandler.adapt_method_mode, "1f6383b647ac2959"),
    "how a middleware's hooks are called": (MiddlewareMixin.__acall__, "adf8cbcaf9f11e45"),
    "what runs in the loop for each form": (CsrfViewMiddleware.process_view, "cdbdabe04318fc2f"),
}


@pytest.mark.parametrize(("function", "expected"), READ.values(), ids=list(READ))
def test_the_source_is_the_one_that_was_read(function: object, expected: str) -> None:
    source = inspect.getsource(function)  # type: ignore[arg-type]

    assert hashlib.sha256(source.encode()).hexdigest()[:16] == expected


def test_nothing_else_listens_to_requests() -> None:
    """A receiver that is not known here would cost each request a thread, or be taken off unseen."""
    known = {receiver for _, receiver in IDLE}
    for signal in (signals.request_started, signals.request_finished):
        synchronous, asynchronous = signal._live_receivers(None)  # type: ignore[attr-defined]

        assert not asynchronous
        assert set(synchronous) <= known
