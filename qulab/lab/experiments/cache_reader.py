"""A process of readers that ends with its starter, at once and whatever hangs in it.

Run as a module. Each line of standard input is an Order, each line of standard output its Answer, in the same order.
"""

import asyncio
import logging
import os
import sys
import threading
import time
from typing import Any

import msgspec

from qulab.lab.experiments.cache_contenders import Contender, snapshot
from qulab.lab.experiments.cache_entrants import Entrant


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Read `id_`: `readers` at once from the moment `at` (Unix time) on, then one after the other `then` times.

    A load sleeps `load` seconds; the readers at once get `patience` seconds, and so do all others together.
    """

    entrant: Entrant
    url: str
    id_: str
    readers: int = 1
    at: float = 0.0
    then: int = 0
    load: float
    patience: float


class Read(msgspec.Struct, frozen=True):
    """Milliseconds; `load` is None where none was begun and ended. `ended` is False past the patience.

    `error` names the exception that the reader got.
    """

    ms: float
    load: float | None
    ended: bool
    error: str = ""


class Answer(msgspec.Struct, frozen=True):
    loads: int
    first: list[Read]
    then: list[Read]


class Reader:
    """Keeps each contender open that it was asked for."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Contender] = {}
        self._loads = 0

    async def carry_out(self, order: Order) -> Answer:
        contender, self._loads = self._contender(order), 0
        await asyncio.sleep(max(0.0, order.at - time.time()))
        until = time.monotonic() + order.patience
        first = await asyncio.gather(*(self._read(contender, order, until) for _ in range(order.readers)))
        then: list[Read] = []
        until = time.monotonic() + order.patience
        while len(then) < order.then and (not then or time.monotonic() < until):
            then.append(await self._read(contender, order, until))
        return Answer(self._loads, list(first), then)

    def _contender(self, order: Order) -> Contender:
        place = order.entrant.place, order.url
        if place not in self._open:
            self._open[place] = order.entrant.kind(order.url)
        return self._open[place]

    async def _read(self, contender: Contender, order: Order, until: float) -> Read:
        loaded: list[float] = []

        async def load() -> Any:
            self._loads += 1
            began = time.perf_counter()
            await asyncio.sleep(order.load)
            loaded.append(1000 * (time.perf_counter() - began))
            return snapshot()

        began, error = time.perf_counter(), ""
        task = asyncio.ensure_future(contender.get(order.id_, load))
        # Not a timeout around it: a reader that does not heed its cancellation would outlast that.
        ended, _ = await asyncio.wait([task], timeout=max(0.0, until - time.monotonic()))
        elapsed = 1000 * (time.perf_counter() - began)
        if not ended:
            task.cancel()
        elif task.cancelled():
            error = "CancelledError"
        elif task.exception() is not None:
            error = type(task.exception()).__name__
        return Read(elapsed, loaded[0] if loaded else None, bool(ended), error)


async def work(lines: "asyncio.Queue[bytes]") -> None:
    reader = Reader()
    while True:
        order = msgspec.json.decode(await lines.get(), type=Order)
        os.write(1, msgspec.json.encode(await reader.carry_out(order)) + b"\n")


async def main() -> None:
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def listen() -> None:
        for line in sys.stdin.buffer:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        os._exit(0)  # the starter is gone

    threading.Thread(target=listen, daemon=True).start()
    await work(lines)


if __name__ == "__main__":
    import django

    django.setup()
    logging.disable(logging.CRITICAL)  # libraries log each failure of a Redis that is away, and so do we
    asyncio.run(main())
