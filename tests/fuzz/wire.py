"""A request as uvicorn hands it on: an unquoted path, bytes in all else. A client leaves a stream once it began."""

import asyncio
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

SECONDS = 20.0  # an answer that takes longer hangs

Text = str | bytes
Pairs = list[tuple[Text, Text]]


class Request(NamedTuple):
    """`path` is as it stands in the request line, percent signs and all."""

    method: str
    path: str
    query: bytes = b""
    headers: tuple[tuple[str, bytes], ...] = ()
    body: bytes = b""
    client: str = "127.0.0.1"

    def scope(self) -> dict[str, Any]:
        return {
            "type": "http",
            "http_version": "1.1",
            "method": self.method,
            "path": unquote(self.path),
            "raw_path": self.path.encode("ascii"),
            "query_string": self.query,
            "headers": [(name.lower().encode("ascii"), value) for name, value in self.headers],
            "client": (self.client, 50_000),
            "server": ("127.0.0.1", 8000),
            "scheme": "http",
        }


class Answer:
    def __init__(self, sent: list[dict[str, Any]]) -> None:
        self.status = int(sent[0]["status"])
        self.raw_headers = [(name.decode().lower(), value.decode("latin-1")) for name, value in sent[0]["headers"]]
        self.headers = dict(self.raw_headers)
        self.body = b"".join(message.get("body", b"") for message in sent[1:])

    @property
    def cookies(self) -> list[str]:
        return [value for name, value in self.raw_headers if name == "set-cookie"]


async def answer_to(application: Any, request: Request) -> Answer:
    sent: list[dict[str, Any]] = []
    incoming = [{"type": "http.request", "body": request.body, "more_body": False}]
    left = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if incoming:
            return incoming.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if dict(sent[0]["headers"]).get(b"Content-Type") == b"text/event-stream":
            left.set()

    async with asyncio.timeout(SECONDS):
        await application(request.scope(), receive, send)
    return Answer(sent)


def encoded(pairs: Pairs) -> bytes:
    """As a form or a query. A text that is no text goes over the wire as its bytes."""
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in pairs).encode("ascii")


def segment(text: Text) -> str:
    """As one part of a path."""
    return _quoted(text).replace("+", "%20")


def _quoted(text: Text) -> str:
    return quote(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"), safe="")
