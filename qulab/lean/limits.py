"""What is too much of a request is refused before any of it is kept: its address, its headers, its body, its time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestAborted

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

LONGEST_ADDRESS = 8_192  # bytes of path and query
LARGEST_HEADERS = 16_384  # bytes of names and values
MOST_HEADERS = 100
PARTING = 1.0  # seconds in which a client may finish sending, so that it reads why it was refused

# No page: it is made without the middlewares, so it brings what they would have said.
HEADERS = {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Connection": "close",
}


class Refused(Exception):
    """This request is too much for this server. What to make smaller stands in the answer."""

    def __init__(self, status: int, reason: str, *, unread: bool = True) -> None:
        super().__init__(reason)
        self.status = status
        self.unread = unread  # something of its body may still come


NO_TEXT = Refused(400, "The address is no text in UTF-8.", unread=False)


def check(scope: Scope) -> None:
    """Refuse what is too much by its first lines alone."""
    if len(scope.get("raw_path") or scope["path"]) + len(scope.get("query_string", b"")) > LONGEST_ADDRESS:
        raise Refused(414, f"The address is longer than {LONGEST_ADDRESS:,} bytes.")
    headers = scope["headers"]
    if len(headers) > MOST_HEADERS or sum(len(name) + len(value) for name, value in headers) > LARGEST_HEADERS:
        raise Refused(431, f"The headers are more than {MOST_HEADERS}, or larger than {LARGEST_HEADERS:,} bytes.")
    for name, value in headers:
        if name == b"content-length":
            if not value.isdigit():
                raise Refused(400, "The header Content-Length is no number.")
            _bounded(int(value))


async def read_body(receive: Receive) -> BytesIO:
    """The whole body. Raises Refused for one that is too large or too slow, RequestAborted where the client left."""
    body = BytesIO()
    try:
        async with asyncio.timeout(settings.BODY_SECONDS):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestAborted
                body.write(message.get("body", b""))
                _bounded(body.tell())
                more = message.get("more_body", False)
    except TimeoutError:
        raise Refused(408, f"The body did not arrive within {settings.BODY_SECONDS:g} seconds.", unread=False) from None
    body.seek(0)
    return body


async def refuse(refused: Refused, receive: Receive, send: Send) -> None:
    """Say why, and close the connection: what is still on its way is not read as another request."""
    logger.warning("refused a request with %d: %s", refused.status, refused)
    text = f"{refused}\n".encode()
    headers = [(name.encode(), value.encode()) for name, value in {**HEADERS, "Content-Length": str(len(text))}.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": text, "more_body": True})
    if refused.unread:
        await _part_from(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _bounded(length: int) -> None:
    if length > settings.MAX_BODY_BYTES:
        raise Refused(413, f"The body is larger than {settings.MAX_BODY_BYTES:,} bytes.")


async def _part_from(receive: Receive) -> None:
    """Drop what still comes, for a moment: a connection that is closed on unread bytes takes the answer with it."""
    try:
        async with asyncio.timeout(PARTING):
            message = await receive()
            while message["type"] == "http.request" and message.get("more_body", False):
                message = await receive()
    except TimeoutError:
        return
