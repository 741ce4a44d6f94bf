"""Redis is away in two ways, each with the client defaults of every contender; no read is waited for beyond PATIENCE.

Hung: it accepts connections and never answers. Refusing: nobody listens. The readers are processes of their own, as
what hangs in a thread cannot be ended otherwise.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

import msgspec

from qulab.lab.experiments.cache_entrants import Entrant
from qulab.lab.experiments.cache_reader import Order, Read
from qulab.lab.experiments.cache_readers import Readers
from qulab.lab.experiments.cache_ring import Steps

PATIENCE = 3.0  # seconds for the first read, and for all that follow
LOAD = 0.002  # seconds that a load sleeps
THEN = 100  # reads after the first, or as many as begin within the patience
AWAY = "away"  # the id of the one key


class Outage(msgspec.Struct, frozen=True):
    """What reads of one contender cost while Redis is away: the first, and those after it. Times as in Read."""

    name: str
    first: Read
    then: list[Read]


class Outages(msgspec.Struct, frozen=True):
    """`patience` in seconds, `load_ms` what a load sleeps."""

    patience: float
    load_ms: float
    hung: list[Outage]
    refusing: list[Outage]


async def outages(entrants: Sequence[Entrant], readers: Readers, steps: Steps) -> Outages:
    with refusing() as url:
        refused = await _outages(entrants, readers, url, steps)
    async with hung() as url:
        waited = await _outages(entrants, readers, url, steps)
    return Outages(patience=PATIENCE, load_ms=1000 * LOAD, hung=waited, refusing=refused)


async def _outages(entrants: Sequence[Entrant], readers: Readers, url: str, steps: Steps) -> list[Outage]:
    """The first by itself, as its times are short; the others wait most of theirs, and do it side by side."""

    async def one(number: int, entrant: Entrant) -> Outage:
        order = Order(entrant=entrant, url=url, id_=AWAY, then=THEN, load=LOAD, patience=PATIENCE)
        answer = await readers.one(number, order)
        steps.done()
        return Outage(entrant.name, answer.first[0], answer.then)

    async def some(number: int) -> list[Outage]:
        return [await one(number, entrant) for entrant in entrants[1 + number :: readers.count]]

    first = await one(0, entrants[0])
    others = [outage for part in await asyncio.gather(*map(some, range(readers.count))) for outage in part]
    return [first, *sorted(others, key=lambda outage: [entrant.name for entrant in entrants].index(outage.name))]


@asynccontextmanager
async def hung() -> AsyncIterator[str]:
    """The address of a server that accepts and never answers."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=512)
    try:
        yield _url(server.sockets[0])
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@contextmanager
def refusing() -> Iterator[str]:
    """An address that is taken, and on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield _url(taken)


def _url(server: socket.socket) -> str:
    return f"redis://127.0.0.1:{server.getsockname()[1]}/0"
