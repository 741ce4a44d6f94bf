"""A page is asked for through the whole of Django, over ASGI, without a socket and without another process."""

import asyncio
from typing import Any

import msgspec
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler

HOST = b"localhost"
OK = 200


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes


class PageFailed(Exception):
    """A page did not answer with 200, so that its time would mean nothing. Look at it in the lab."""

    def __init__(self, path: str, status: int) -> None:
        hint = " DJANGO_ALLOWED_HOSTS must name localhost." if status == 400 else ""
        super().__init__(f"{path} answered {status}, so its time would mean nothing.{hint}")


async def get(application: ASGIHandler, address: str, session: str = "") -> Answer:
    """Ask with the key of a session, or as somebody without one. Raises PageFailed."""
    path, _, query = address.partition("?")
    sent: list[dict[str, Any]] = []
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in asked:
            return message
        await asyncio.Event().wait()  # nobody disconnects
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    await application(_scope(path, query, session), receive, send)
    answer = Answer(sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]))
    if answer.status != OK:
        raise PageFailed(address, answer.status)
    return answer


def _scope(path: str, query: str, session: str) -> dict[str, Any]:
    cookie = f"{settings.SESSION_COOKIE_NAME}={session}".encode()
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", HOST), *([(b"cookie", cookie)] if session else [])],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
    }
