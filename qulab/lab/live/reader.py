"""A reader that is slow loses its oldest messages; it never makes anybody wait, and its memory is bounded."""

import asyncio
from collections import deque
from collections.abc import Iterable

import msgspec

MOST_WAITING = 64  # messages of one reader


class Message(msgspec.Struct, frozen=True):
    """`data` is JSON."""

    topic: str
    data: bytes


class Reader:
    """The messages of one stream that were not yet sent, to a client at `address`."""

    def __init__(self, topics: Iterable[str], address: str = "") -> None:
        self.topics = frozenset(topics)
        self.address = address
        self.ended = False
        self._waiting: deque[Message] = deque(maxlen=MOST_WAITING)
        self._news = asyncio.Event()

    def put(self, message: Message) -> None:
        self._waiting.append(message)
        self._news.set()

    def end(self) -> None:
        """Say that nothing more will come."""
        self.ended = True
        self._news.set()

    async def take(self, seconds: float) -> list[Message]:
        """What came since; with nothing, wait for the first for `seconds` and then return nothing."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return []
        self._news.clear()
        taken = list(self._waiting)
        self._waiting.clear()
        return taken
