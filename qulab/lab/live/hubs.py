"""One hub for each event loop. Its streams end before a server waits for them."""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from qulab.db.loop import PerLoop
from qulab.lab.live.feeds import FEEDS
from qulab.lab.live.hub import Hub

hubs: PerLoop[Hub] = PerLoop(lambda: Hub(FEEDS), Hub.close)


def end_streams_on_signals() -> None:
    """uvicorn first waits for open answers and then ends the lifespan, so that streams have to hear the signal too."""
    if threading.current_thread() is not threading.main_thread():
        return  # no signal arrives here
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        server = signal.getsignal(number)
        if callable(server):
            signal.signal(number, _both(loop, server))


def _both(loop: asyncio.AbstractEventLoop, server: Callable[[int, FrameType | None], Any]) -> Any:
    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(lambda: hubs.get().end())
        server(number, frame)

    return handle
