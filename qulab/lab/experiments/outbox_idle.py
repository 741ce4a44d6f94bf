"""What a relay costs that finds nothing: its tick must not grow with what was published, nor with what waits.

All in this process, through `Relay.drain`. A drain whose time is up at once makes one pass, so what it takes beyond an
empty one is that pass.
"""

import time
from collections.abc import Awaitable, Callable
from itertools import count

import msgspec
from django.conf import settings

from outbox.models import Status
from outbox.positions import partition_of
from outbox.tally import Tally
from qulab.db.base import utcnow
from qulab.lab.experiments.outbox_fill import fill, fill_aggregate
from qulab.lab.experiments.outbox_place import Place
from qulab.lab.experiments.outbox_setting import Setting
from qulab.lab.experiments.peers import Disagreement
from qulab.lab.measure import Spread, spread

TIMES = 20  # of each, in a round
BLOCKED = "blocked"  # the aggregate whose first event is a dead letter


class Idle(msgspec.Struct, frozen=True):
    """Milliseconds, medians of the rounds' medians. The last two are ticks with one pass in them."""

    published: int
    waiting: int
    empty: Spread
    nothing_due: Spread
    another: Spread


async def measure(place: Place) -> Idle:
    given = place.parameters
    async with place.scratch() as setting:
        published = {"status": Status.PUBLISHED, "published_at": utcnow(), "batch": 0}
        await fill(setting.database, setting.bulk, given.published, **published)
        await setting.relay.drain()  # unmeasured
        empty = []
        for _ in range(given.rounds):
            empty.append(await _median(lambda: _tick(setting, expected=0)))
            place.steps.step()
        await _fill_blocked(setting, given.waiting)
        await setting.relay.drain()
        nothing_due, another = [], []
        for _ in range(given.rounds):
            nothing_due.append(await _median(lambda: _tick(setting, expected=0)))
            another.append(await _median(lambda: _tick_with_another(setting)))
            place.steps.step()
    return Idle(given.published, given.waiting, spread(empty), spread(nothing_due), spread(another))


async def _median(timed: Callable[[], Awaitable[float]]) -> float:
    return spread([await timed() for _ in range(TIMES)]).median


async def _tick(setting: Setting, *, expected: int) -> float:
    """Milliseconds of a tick of at most one pass. Raises Disagreement where it publishes another number of events."""
    began = time.perf_counter()
    tally: Tally = await setting.relay.drain(0.0)
    milliseconds = 1000 * (time.perf_counter() - began)
    if tally.published != expected:
        raise Disagreement(
            f"a pass published {tally.published} events where {expected} were due: its time means nothing."
        )
    return milliseconds


async def _tick_with_another(setting: Setting) -> float:
    """An event of another aggregate in the partition of the blocked one, behind all that waits there."""
    await fill_aggregate(setting.database, setting.bulk, _neighbour(setting.bulk), 1)
    return await _tick(setting, expected=1)


async def _fill_blocked(setting: Setting, waiting: int) -> None:
    dead = {"status": Status.DEAD, "attempts": settings.OUTBOX_MAX_ATTEMPTS, "last_error": "it was refused"}
    await fill_aggregate(setting.database, setting.bulk, BLOCKED, 1, **dead)
    await fill_aggregate(setting.database, setting.bulk, BLOCKED, waiting)


def _neighbour(aggregate_type: str) -> str:
    """Another aggregate of the same partition."""
    partition = partition_of(aggregate_type, BLOCKED, settings.OUTBOX_PARTITIONS)
    ids = map(str, count())
    return next(id_ for id_ in ids if partition_of(aggregate_type, id_, settings.OUTBOX_PARTITIONS) == partition)
