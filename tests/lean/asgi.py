"""A client that speaks ASGI itself, so that a test sees each message and can go away at any moment."""

import asyncio
from typing import Any

Application = Any


class Exchange:
    """One request. `leave()` is the client closing its connection."""

    def __init__(self, path: str, *, method: str = "GET", body: bytes = b"", headers: dict[str, str] | None = None):
        named = {"host": "localhost", **(headers or {})}
        path, _, query = path.partition("?")
        self.scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
            "scheme": "http",
        }
        self.sent: list[dict[str, Any]] = []
        self._incoming = [{"type": "http.request", "body": body, "more_body": False}]
        self._left = asyncio.Event()

    def leave(self) -> None:
        self._left.set()

    async def receive(self) -> dict[str, Any]:
        if self._incoming:
            return self._incoming.pop()
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def with_(self, application: Application) -> "Exchange":
        await application(self.scope, self.receive, self.send)
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode().lower(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])
