"""The time of a hit and of a miss, beside redis-py's of the same round; who begins changes from round to round."""

import asyncio
import gc
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from qulab.lab.experiments.cache_contenders import Contender, snapshot
from qulab.lab.experiments.cache_entrants import REDIS_PY
from qulab.lab.experiments.cache_ring import Ring, never
from qulab.lab.measure import Spread, spread

READERS = 50
LOAD = 0.002  # seconds that a load sleeps: about what a SELECT by key costs, and the same for all


class Cost(msgspec.Struct, frozen=True):
    """µs a read, each reading the mean of a round; `ratio` is to redis-py's, round by round."""

    name: str
    time: Spread
    ratio: Spread


class Missed(msgspec.Struct, frozen=True):
    """ms a miss; `beyond` is without the load, timed in the same read. The ratios are as in Cost."""

    name: str
    time: Spread
    beyond: Spread
    ratio: Spread
    beyond_ratio: Spread


class Speeds(msgspec.Struct, frozen=True):
    """`alone`: one read after the other. `readers` at once on one loop: `apart` with a key each, `hot` of one key."""

    readers: int
    calls: int
    load_ms: float
    alone: list[Cost]
    apart: list[Cost]
    hot: list[Cost]
    misses: list[Missed]


class Reading(msgspec.Struct, frozen=True):
    """One contender in one round. Seconds a read."""

    alone: float
    apart: float
    hot: float
    miss: float
    load: float


async def speeds(ring: Ring, *, rounds: int, calls: int) -> Speeds:
    readings: dict[str, list[Reading]] = {name: [] for name in ring.contenders}
    for turn in range(1 + rounds):
        for name, contender in ring.in_turn(turn):
            reading = await _read(ring, contender, calls)
            if turn:  # in the first connections are opened and scripts loaded
                readings[name].append(reading)
        ring.steps.done()
    return _speeds(readings, calls)


async def _read(ring: Ring, contender: Contender, calls: int) -> Reading:
    ids, times = hit_ids(), max(1, calls // READERS)
    await ring.empty(contender, *ids)
    await ring.fill(contender, *ids)
    gc.collect()  # what the last one left behind is no part of it
    alone = await _alone(contender, calls)
    apart = await _together(contender, ids, times)
    hot = await _together(contender, ids[:1] * READERS, times)
    miss, load = await _miss(ring, contender, miss_ids(calls))
    return Reading(alone=alone, apart=apart, hot=hot, miss=miss, load=load)


def hit_ids() -> list[str]:
    return [f"hit-{number}" for number in range(READERS)]


def miss_ids(calls: int) -> list[str]:
    """A miss costs many hits."""
    return [f"miss-{number}" for number in range(max(1, calls // 10))]


async def _alone(contender: Contender, calls: int) -> float:
    ids = (hit_ids() * (calls // READERS + 1))[:calls]
    began = time.perf_counter()
    for id_ in ids:
        await contender.get(id_, never)
    return (time.perf_counter() - began) / calls


async def _together(contender: Contender, ids: Sequence[str], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        await asyncio.gather(*(contender.get(id_, never) for id_ in ids))
    return (time.perf_counter() - began) / (times * len(ids))


async def _miss(ring: Ring, contender: Contender, ids: Sequence[str]) -> tuple[float, float]:
    """Seconds for the whole read, and of these for the load."""
    await ring.empty(contender, *ids)
    loads: list[float] = []

    async def load() -> Any:
        began = time.perf_counter()
        await asyncio.sleep(LOAD)
        loads.append(time.perf_counter() - began)
        return snapshot()

    began = time.perf_counter()
    for id_ in ids:
        await contender.get(id_, load)
    return (time.perf_counter() - began) / len(ids), sum(loads) / len(ids)


def _speeds(readings: dict[str, list[Reading]], calls: int) -> Speeds:
    baseline = readings[REDIS_PY.name]

    def costs(of: str) -> list[Cost]:
        return [
            Cost(name, spread([1e6 * getattr(one, of) for one in its]), spread(_ratios(its, baseline, of)))
            for name, its in readings.items()
        ]

    return Speeds(
        readers=READERS,
        calls=calls,
        load_ms=1000 * LOAD,
        alone=costs("alone"),
        apart=costs("apart"),
        hot=costs("hot"),
        misses=[_missed(name, its, baseline) for name, its in readings.items()],
    )


def _ratios(its: Sequence[Reading], baseline: Sequence[Reading], of: str) -> list[float]:
    return [getattr(one, of) / getattr(base, of) for one, base in zip(its, baseline, strict=True)]


def _missed(name: str, its: Sequence[Reading], baseline: Sequence[Reading]) -> Missed:
    return Missed(
        name=name,
        time=spread([1000 * one.miss for one in its]),
        beyond=spread([1000 * (one.miss - one.load) for one in its]),
        ratio=spread(_ratios(its, baseline, "miss")),
        beyond_ratio=spread(
            [(one.miss - one.load) / (base.miss - base.load) for one, base in zip(its, baseline, strict=True)]
        ),
    )
