"""A process has one pub/sub connection however many tabs listen, and only while one does. No stream holds a session.

A topic comes either through Redis, from whoever published it, or from a feed: a task of this process that reads what
the topic is about, once for all who listen.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from redis.asyncio.client import PubSub

from qulab.cache import keys
from qulab.cache.client import get_streams
from qulab.cache.store import AWAY
from qulab.db.loop import raise_if_cancelled
from qulab.lab.live.reader import Message, Reader
from qulab.lab.live.topics import REDIS

logger = logging.getLogger(__name__)

MOST_STREAMS = 100  # of one process
SILENCE = 1.0  # seconds after which Redis is asked whether it is still there
PAUSE = 0.5  # seconds between two attempts to reach Redis, or to read a feed that failed
LIVE = keys.live("")
REDIS_IS_AWAY = Message(REDIS, b'{"away":true}')
REDIS_IS_BACK = Message(REDIS, b'{"away":false}')

Feed = Callable[["Hub"], Awaitable[None]]
"""Tells the hub what is new about its topic. It returns when nobody `is_heard` any more."""


class TooManyStreams(Exception):
    """This server has as many open streams as it allows. Close a tab, or reload to see the newest state."""


class Hub:
    """The readers of one event loop, and what feeds them."""

    def __init__(self, feeds: Mapping[str, Feed]) -> None:
        self.outbox_stirs = asyncio.Event()  # something was committed or published; whoever waits for it clears it
        self._feeds = feeds
        self._readers: set[Reader] = set()
        self._last: dict[str, Message] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._redis_answers: bool | None = None
        self._asked_redis = asyncio.Event()
        self._ended = False

    @property
    def is_full(self) -> bool:
        return len(self._readers) >= MOST_STREAMS

    def streams_of(self, address: str) -> int:
        """How many streams are open to clients there."""
        return sum(reader.address == address for reader in self._readers)

    def is_heard(self, topic: str) -> bool:
        return any(topic in reader.topics for reader in self._readers)

    def join(self, reader: Reader) -> None:
        """Raises TooManyStreams."""
        if self.is_full:
            raise TooManyStreams
        self._readers.add(reader)
        if self._ended:
            reader.end()
            return
        if self._redis_answers is False:
            reader.put(REDIS_IS_AWAY)
        self._keep(REDIS, self._listen)
        for topic in reader.topics & self._feeds.keys():
            if topic in self._last:
                reader.put(self._last[topic])
            self._keep(topic, lambda topic=topic: self._feed(topic))  # type: ignore[misc]

    def leave(self, reader: Reader) -> None:
        """The tasks notice that nobody listens, and end between two readings."""
        self._readers.discard(reader)

    def tell(self, topic: str, data: bytes, *, greets: bool = False) -> None:
        """Give everybody who listens this news. A later reader begins with the last one that `greets`."""
        message = Message(topic, data)
        if greets:
            self._last[topic] = message
        for reader in self._readers:
            if topic in reader.topics:
                reader.put(message)

    async def asked_redis(self, seconds: float) -> bool:
        """Whether messages of Redis arrive from here on: known once it was asked."""
        try:
            async with asyncio.timeout(seconds):
                await self._asked_redis.wait()
        except TimeoutError:
            return False
        return bool(self._redis_answers)

    def end(self) -> None:
        """End every stream: the server stops, and waits for them."""
        self._ended = True
        for reader in self._readers:
            reader.end()

    async def close(self) -> None:
        self.end()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _keep(self, name: str, run: Callable[[], Any]) -> None:
        if name not in self._tasks or self._tasks[name].done():
            self._tasks[name] = asyncio.create_task(run())

    # --- Redis ---------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while self._readers:
            raise_if_cancelled()
            try:
                async with get_streams().pubsub() as pubsub:
                    await self._subscribe(pubsub)
                    self._redis(answers=True)
                    await self._hear(pubsub)
            except AWAY:
                self._redis(answers=False)
                await asyncio.sleep(PAUSE)
        self._redis_answers = None
        self._asked_redis.clear()

    async def _subscribe(self, pubsub: PubSub) -> None:
        await pubsub.psubscribe(f"{LIVE}*")
        await pubsub.subscribe(keys.PUBLISHED_CHANNEL)
        async with asyncio.timeout(SILENCE):
            for _ in range(2):  # not earlier than Redis has confirmed it: what is read after that is not missed
                while await pubsub.get_message(timeout=SILENCE) is None:
                    raise_if_cancelled()

    async def _hear(self, pubsub: PubSub) -> None:
        while self._readers:
            raise_if_cancelled()
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=SILENCE)
            if message is None:
                await get_streams().ping()  # a server that hangs is silent too
            elif message["channel"] == keys.PUBLISHED_CHANNEL:
                self.outbox_stirs.set()
            else:
                self.tell(message["channel"].removeprefix(LIVE), in_one_line(message["data"]))

    def _redis(self, *, answers: bool) -> None:
        before, self._redis_answers = self._redis_answers, answers
        self._asked_redis.set()
        if answers is before or (answers and before is None):
            return
        for reader in self._readers:
            reader.put(REDIS_IS_BACK if answers else REDIS_IS_AWAY)

    # --- Feeds ---------------------------------------------------------------------------------------------------

    async def _feed(self, topic: str) -> None:
        while self.is_heard(topic):
            raise_if_cancelled()
            try:
                await self._feeds[topic](self)
            except Exception:
                logger.exception("the feed of %s failed; it begins anew", topic)
                await asyncio.sleep(PAUSE)
        self._last.pop(topic, None)


def in_one_line(data: str | bytes) -> bytes:
    """JSON has no line breaks but between its parts; in a stream one would end the message."""
    encoded = data.encode() if isinstance(data, str) else data
    return encoded.replace(b"\n", b" ").replace(b"\r", b" ")
