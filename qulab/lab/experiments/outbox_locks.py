"""How long the relay keeps SQLite's writers waiting: from the lock that it was granted to the end of its COMMIT.

Measured in the relay's own process, from the statements that it sends, while other processes write users with events.
"""

import asyncio

import msgspec

from qulab.lab.experiments.outbox_place import Place
from qulab.lab.experiments.outbox_setting import Setting
from qulab.lab.experiments.processes.children import Child, children
from qulab.lab.measure import Spread, quantile, spread


class Load(msgspec.Struct, frozen=True):
    """`holds` in milliseconds. `locked`: how often anybody was told "database is locked"."""

    commits: int
    moved: int
    holds: list[float]
    locked: int


class Locks(msgspec.Struct, frozen=True):
    """Milliseconds; quantiles of each round."""

    writers: int
    p50: Spread
    p99: Spread
    longest: Spread
    locked: int
    commits: int
    loads: list[Load]


async def measure(place: Place) -> Locks:
    """Raises ChildFailed."""
    writers = place.parameters.writers
    async with place.scratch() as setting:
        kinds = [await place.kind("relay", "relay", setting)]
        kinds += [await place.kind(f"writer {number}", "producer", setting) for number in range(1, writers + 1)]
        async with children(kinds, place.folder) as (relay, *producers):
            loads = []
            for _ in range(place.parameters.rounds):
                loads.append(await load(setting, relay, producers, place.parameters.seconds))
                place.steps.step()
    return Locks(
        writers=writers,
        p50=spread([quantile(one.holds, 0.5) for one in loads]),
        p99=spread([quantile(one.holds, 0.99) for one in loads]),
        longest=spread([max(one.holds, default=0.0) for one in loads]),
        locked=sum(one.locked for one in loads),
        commits=sum(one.commits for one in loads),
        loads=loads,
    )


async def load(setting: Setting, relay: Child, writers: list[Child], seconds: float) -> Load:
    holding = asyncio.create_task(relay.ask("hold"))
    try:
        given = {"tasks": 1, "seconds": seconds, "events": True, "aggregate_type": setting.bulk}
        told = await asyncio.gather(*(writer.ask("produce", **given) for writer in writers))
        relay.stop()
        held = await holding
    finally:
        holding.cancel()
    return Load(
        commits=sum(one["commits"] for one in told),
        moved=held["moved"],
        holds=held["holds"],
        locked=held["locked"] + sum(one["locked"] for one in told),
    )
