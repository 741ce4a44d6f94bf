"""One request, served without a thread: what Django's handler closes in one is closed in the loop."""

import asyncio

from django.core import signals
from django.core.exceptions import BadRequest, RequestAborted, SuspiciousOperation
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from qulab.lean import limits
from qulab.lean.limits import Receive, Scope, Send
from qulab.lean.signals import disconnect_idle_receivers

WATCH_AFTER = 0.05  # seconds a view may take before its client is watched


class Request(ASGIRequest):
    """A form that cannot be read is refused once, and for who writes the refusal it is empty.

    Django's error pages ask for the form too, in vain: without this, one that says 400 or 404 would fail in its turn.
    """

    def _load_post_and_files(self) -> None:
        try:
            super()._load_post_and_files()
        except (BadRequest, MultiPartParserError, SuspiciousOperation):
            self._mark_post_parse_error()  # type: ignore[attr-defined]
            if self.resolver_match is not None:  # else no view is to be refused it
                raise


class LeanHandler(ASGIHandler):
    """Django's handler, with its response closed in the loop. The contract test pins the version it was made from."""

    request_class = Request

    def __init__(self) -> None:
        super().__init__()
        disconnect_idle_receivers()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            limits.check(scope)
            body = await limits.read_body(receive)
        except RequestAborted:
            return
        except limits.Refused as refused:
            await limits.refuse(refused, receive, send)
            return
        set_script_prefix(get_script_prefix(scope))
        if signals.request_started.receivers:
            await signals.request_started.asend(sender=type(self), scope=scope)
        try:
            request, _ = self.create_request(scope, body)
            if request is None:
                await limits.refuse(limits.NO_TEXT, receive, send)
                return
            await self._answer(request, receive, send)
        finally:
            body.close()

    async def _answer(self, request: HttpRequest, receive: Receive, send: Send) -> None:
        """Answer, and stop where the client goes away."""
        response: HttpResponseBase | None = None
        client = Client(receive)
        try:
            response = await self.run_get_response(request)
            await self.send_response(response, send)
        except asyncio.CancelledError:
            if not client.has_left():
                raise
        finally:
            client.forget()
            if response is not None:
                response.close()
            elif signals.request_finished.receivers:
                await signals.request_finished.asend(sender=type(self))


class Client:
    """Who waits for an answer. When they leave, the task that made this is cancelled.

    Most answers are ready before the watch begins: to listen from the start would cost each of them a task.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task = asyncio.current_task()
        self._left = False
        self._listening: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER, self._watch)

    def forget(self) -> None:
        """The answer was sent: whoever leaves now leaves with it."""
        self._timer.cancel()
        if self._listening is not None:
            self._listening.cancel()

    def has_left(self) -> bool:
        """Whether the cancellation that is being handled is this one, and not that of a server that stops."""
        return self._left and self._task is not None and self._task.uncancel() == 0

    def _watch(self) -> None:
        self._listening = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        message = await self._receive()
        if message["type"] == "http.disconnect" and self._task is not None:
            self._left = True
            self._task.cancel()
