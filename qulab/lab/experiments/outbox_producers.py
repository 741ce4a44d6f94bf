"""What the outbox costs those who write: the same users, with and without their event in the transaction, in turns.

Two processes write, with several tasks each; no relay runs beside them, so that the difference is the event's row and
the hint after the commit.
"""

import asyncio

import msgspec
from sqlalchemy import text

from qulab.lab.experiments.outbox_place import Place
from qulab.lab.experiments.outbox_setting import Setting
from qulab.lab.experiments.processes.children import Child, children
from qulab.lab.measure import Spread, spread

PROCESSES = 2


class Producers(msgspec.Struct, frozen=True):
    """Commits a second. `cost`: the part of the throughput that the event takes, round by round."""

    tasks: int
    without: Spread
    with_event: Spread
    cost: Spread
    locked: int


async def measure(place: Place) -> Producers:
    """Raises ChildFailed."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    tasks = max(place.parameters.producers // PROCESSES, 1)
    async with place.scratch() as setting:
        kinds = [await place.kind("producer", "producer", setting, pool_size=tasks) for _ in range(PROCESSES)]
        async with children(kinds, place.folder) as members:
            await _load(setting, members, tasks, 0.3, events=True)  # unmeasured: opens the connections
            locked = 0
            for turn in range(place.parameters.rounds):
                for events in (False, True) if turn % 2 else (True, False):
                    rate, refused = await _load(setting, members, tasks, place.parameters.seconds, events=events)
                    rates[events].append(rate)
                    locked += refused
                    place.steps.step()
    cost = [1 - with_event / without for with_event, without in zip(rates[True], rates[False], strict=True)]
    return Producers(tasks * PROCESSES, spread(rates[False]), spread(rates[True]), spread(cost), locked)


async def _load(
    setting: Setting, members: list[Child], tasks: int, seconds: float, *, events: bool
) -> tuple[float, int]:
    given = {"tasks": tasks, "seconds": seconds, "events": events, "aggregate_type": setting.bulk}
    told = await asyncio.gather(*(member.ask("produce", **given) for member in members))
    async with setting.database.writing() as session:  # the next load begins with empty tables
        for table in ("domain_events", "users"):
            on_postgresql = setting.database.dialect == "postgresql"
            await session.execute(text(f"TRUNCATE {table} CASCADE" if on_postgresql else f"DELETE FROM {table}"))  # noqa: S608
        await session.commit()
    return sum(one["commits"] / one["seconds"] for one in told), sum(one["locked"] for one in told)
