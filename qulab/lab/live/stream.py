"""A stream begins with what is known and goes on with what is new; without news it shows that it lives."""

import math
import time
from collections.abc import AsyncIterator, Sequence

from qulab.cache import keys
from qulab.cache.client import get_streams
from qulab.cache.store import AWAY
from qulab.lab.live.hub import REDIS_IS_BACK, Hub, in_one_line
from qulab.lab.live.reader import Message, Reader
from qulab.lab.live.topics import run_of, spoken

HEARTBEAT = 15.0  # seconds; proxies close what is silent for longer than half a minute or so
FIRST_ANSWER = 3.0  # seconds to wait for Redis before the stream begins without it
BEGIN = b"retry: 2000\n\n"  # milliseconds until a browser comes back
ASKS_AGAIN = 600.0  # seconds after which a stream ends that not everybody gets: whose rights were taken loses it
ALIVE = b": alive\n\n"


async def events(
    hub: Hub, topics: Sequence[str], address: str = "", *, is_for_all: bool = True
) -> AsyncIterator[bytes]:
    """Server-sent events until the client at `address` leaves or the server stops. Raises TooManyStreams.

    One that is not for all ends by itself after a while, and its browser asks for the next one.
    """
    reader = Reader(topics, address)
    ends_at = math.inf if is_for_all else time.monotonic() + ASKS_AGAIN
    hub.join(reader)
    try:
        yield BEGIN
        if await hub.asked_redis(FIRST_ANSWER):
            for message in await _states(topics):
                yield _encoded(message)
        while not reader.ended and time.monotonic() < ends_at:
            messages = await reader.take(HEARTBEAT)
            if REDIS_IS_BACK in messages:  # what was published meanwhile did not arrive
                messages += await _states(topics)
            yield b"".join(map(_encoded, messages)) or ALIVE
    finally:
        hub.leave(reader)


async def _states(topics: Sequence[str]) -> list[Message]:
    """The last message of each run."""
    runs = {topic: run for topic in topics if (run := run_of(topic))}
    if not runs:
        return []
    try:
        states = await get_streams().mget([keys.run_state(run) for run in runs.values()])
    except AWAY:
        return []  # the hub notices too, and says when it is back
    return [Message(topic, in_one_line(state)) for topic, state in zip(runs, states, strict=True) if state]


def _encoded(message: Message) -> bytes:
    return b'data: {"topic":"%s","data":%s}\n\n' % (spoken(message.topic).encode(), message.data)
