"""Two races in which a cache goes wrong, each forced through the load, so that none depends on luck.

A stale set: the reader has loaded, the row changes and is invalidated, then the reader stores what it loaded. A
collateral cancellation: readers share a load, the one that began it is cancelled, and another fails with it.
"""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import msgspec

from qulab.lab.experiments.cache_contenders import Contender, snapshot, version_of
from qulab.lab.experiments.cache_entrants import OURS, Entrant
from qulab.lab.experiments.cache_ring import Ring

OLD, NEW = 1, 2
READER: ContextVar[int] = ContextVar("reader")  # whose load it is, also in a task or a thread that a library starts
READERS = 10
TURNS = 5
JOINING = 0.05  # seconds in which all readers reach the load, or whatever they wait for
PATIENCE = 10.0  # seconds for the others to end
RACE = "race"  # the id of the one key
SHARE = 10  # of the product's stale sets, one in so many is tried with each other


class StaleSets(msgspec.Struct, frozen=True):
    """`stale` of `tries`: the value from before the invalidation was stored, and served to a later read."""

    name: str
    stale: int
    tries: int


class Collateral(msgspec.Struct, frozen=True):
    """`failed` of `others`: readers that failed as another one was cancelled. `loads` in all turns."""

    name: str
    option: str
    failed: int
    others: int
    loads: int


async def stale_sets(ring: Ring, tries: int) -> list[StaleSets]:
    """`tries` with the product's cache."""
    found = []
    for name, contender in ring.contenders.items() if tries else ():
        its = tries if name == OURS.name else max(1, tries // SHARE)
        found.append(StaleSets(name, sum([await _is_stale(ring, contender) for _ in range(its)]), its))
        ring.steps.done()
    return found


async def _is_stale(ring: Ring, contender: Contender) -> bool:
    await ring.empty(contender, RACE)

    async def slow() -> Any:
        before = snapshot(OLD)
        await contender.invalidate(RACE)  # the row was changed after it was read
        return before

    async def later() -> Any:
        return snapshot(NEW)

    await contender.get(RACE, slow)
    return version_of(await contender.get(RACE, later)) == OLD


async def collateral(ring: Ring, entrants: Sequence[Entrant]) -> list[Collateral]:
    found = []
    for entrant in entrants:
        turns = [await _cancel_the_first(ring, ring.contenders[entrant.name]) for _ in range(TURNS)]
        failed, loads = (sum(column) for column in zip(*turns, strict=True))
        found.append(Collateral(entrant.name, entrant.option, failed, TURNS * (READERS - 1), loads))
        ring.steps.done()
    return found


async def _cancel_the_first(ring: Ring, contender: Contender) -> tuple[int, int]:
    """Cancel the reader that loads; how many of the others failed, and how often was loaded."""
    await ring.empty(contender, RACE)
    loading, gate, loads = asyncio.Event(), asyncio.Event(), list[int]()

    async def load() -> Any:
        loads.append(READER.get())
        loading.set()
        await gate.wait()
        return snapshot()

    async def read(number: int) -> Any:
        READER.set(number)
        return await contender.get(RACE, load)

    readers = [asyncio.create_task(read(number)) for number in range(READERS)]
    try:
        async with asyncio.timeout(PATIENCE):
            await loading.wait()
        await asyncio.sleep(JOINING)
        readers[loads[0]].cancel()
        gate.set()
        await asyncio.wait(readers, timeout=PATIENCE)
    finally:
        for reader in readers:  # one that has not ended has failed
            reader.cancel()
        ended = await asyncio.gather(*readers, return_exceptions=True)
    failed = sum(isinstance(one, BaseException) for one in ended)
    return failed - isinstance(ended[loads[0]], BaseException), len(loads)
