"""Latency between processes: the producer is in this one, the relay in a second, the consumer in a third.

From the answer to the COMMIT to the moment at which the consumer has the entry; the clock is the machine's monotonic
one, which all processes share. Nothing is written in this process but these events. Three ways take turns: the relay
runs on and is woken by each commit; it runs in ticks, as beat sends them, and is woken; it runs on and no commit wakes
it, so that it finds the event when it looks by itself.
"""

import asyncio
import time

import msgspec
from django.conf import settings

from qulab.cache import keys
from qulab.lab.experiments.outbox_place import Place
from qulab.lab.experiments.outbox_setting import Setting, record
from qulab.lab.experiments.processes.children import Child, children
from qulab.lab.measure import Spread, quantile, spread

GRACE = 5.0  # seconds to wait for an event that has not come
WOKEN, IN_TICKS, NOT_WOKEN = "woken", "woken, in ticks", "not woken"


class Way(msgspec.Struct, frozen=True):
    name: str
    method: str  # of the relay's Worker
    wakes: bool


WAYS = (
    Way(WOKEN, "relay_on", wakes=True),
    Way(IN_TICKS, "relay_in_ticks", wakes=True),
    Way(NOT_WOKEN, "relay_on", wakes=False),
)


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds; quantiles of each round, and the readings of all. `missing`: events that nobody read in time."""

    way: str
    p50: Spread
    p95: Spread
    p99: Spread
    missing: int
    readings: list[list[float]]


class Latencies(msgspec.Struct, frozen=True):
    """`tick`: milliseconds between two of beat."""

    tick: float
    ways: list[Latency]

    def of(self, way: str) -> Latency:
        return next(one for one in self.ways if one.way == way)


async def measure(place: Place) -> Latencies:
    """Raises ChildFailed."""
    readings: dict[str, list[list[float]]] = {way.name: [] for way in WAYS}
    async with place.scratch() as setting:
        kinds = [await place.kind(name, name, setting) for name in ("relay", "consumer")]
        async with children(kinds, place.folder) as (relay, consumer):
            await _round(setting, WAYS[0], relay, consumer, count=5)  # unmeasured
            for _ in range(place.parameters.rounds):
                for way in WAYS:
                    readings[way.name].append(await _round(setting, way, relay, consumer, place.parameters.timed))
                    place.steps.step()
    return Latencies(1000 * settings.RELAY_INTERVAL, [_latency(way, readings[way.name], place) for way in WAYS])


async def _round(setting: Setting, way: Way, relay: Child, consumer: Child, count: int) -> list[float]:
    relaying = asyncio.create_task(relay.ask(way.method))
    consuming = asyncio.create_task(consumer.ask("consume", stream=keys.stream(setting.timed), count=count))
    try:
        committed = await _send(setting, way, count)
        await asyncio.wait([consuming, relaying], timeout=GRACE, return_when=asyncio.FIRST_COMPLETED)
        consumer.stop()
        relay.stop()
        read = (await consuming)["read"]
        await relaying
    finally:
        relaying.cancel()
        consuming.cancel()
    return [1000 * (read[id_] - at) for id_, at in committed.items() if id_ in read]


async def _send(setting: Setting, way: Way, count: int) -> dict[str, float]:
    committed: dict[str, float] = {}
    began = time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(began + number / setting.parameters.rate - time.monotonic(), 0))
        await _send_one(setting, way, number, committed)
    return committed


async def _send_one(setting: Setting, way: Way, number: int, committed: dict[str, float]) -> None:
    async def note() -> None:
        committed[event.id] = time.monotonic()

    async with setting.writing(wakes=way.wakes) as session:
        session.on_commit(note)  # the first hook: when the COMMIT has been answered, before the hint goes out
        event = record(session, setting.timed, number)
        await session.commit()


def _latency(way: Way, rounds: list[list[float]], place: Place) -> Latency:
    measured = [one for one in rounds if one] or [[float("nan")]]
    quantiles = {name: spread([quantile(one, q) for one in measured]) for name, q in _QUANTILES.items()}
    missing = place.parameters.timed * len(rounds) - sum(map(len, rounds))
    return Latency(way=way.name, missing=missing, readings=rounds, **quantiles)


_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
