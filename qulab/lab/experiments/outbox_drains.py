"""All drain the same number of events with the same payloads, in turns, each as processes that are ready beforehand.

The clock runs from the word to begin to the moment at which the last process had marked its last event. Afterwards the
streams are read: what is not there was lost, and what is there twice was doubled.
"""

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, islice
from typing import Any

import msgspec
from sqlalchemy import text

from qulab.cache import keys
from qulab.lab.experiments.claim import also
from qulab.lab.experiments.outbox_contenders import PEER_STREAM, RELAY, Contender, kinds, present
from qulab.lab.experiments.outbox_fill import fill
from qulab.lab.experiments.outbox_place import OutboxBenchParameters, Place
from qulab.lab.experiments.outbox_setting import AGGREGATES, Setting
from qulab.lab.experiments.peers import Disagreement
from qulab.lab.experiments.processes.children import Child, children
from qulab.lab.measure import Spread, spread

UNMEASURED = 500  # events in the first drain of each
TOGETHER = 2  # processes of each peer that drain at once, one time
NUMBER = re.compile(rb'"number": ?(\d+)')  # in the payload, however the rest of an entry looks
PAGE = 5000  # entries in one read of a stream


class Drain(msgspec.Struct, frozen=True):
    """One drain. `inverted` counts aggregates whose events entered the stream in another order than their own."""

    seconds: float
    doubled: int
    lost: int
    inverted: int


class Drained(msgspec.Struct, frozen=True):
    """One contender with one number of processes. `ratio`: one relay's rate over its own, round by round."""

    name: str
    processes: int
    rate: Spread
    seconds: Spread
    ratio: Spread | None
    doubled: int
    lost: int
    inverted: int
    drains: list[Drain]


class Drains(msgspec.Struct, frozen=True):
    events: int
    contenders: list[Drained]
    notes: list[str]

    def of(self, name: str, processes: int) -> Drained:
        return next(one for one in self.contenders if (one.name, one.processes) == (name, processes))


class Entrant(msgspec.Struct, frozen=True):
    """A contender, and the processes that drain together."""

    contender: Contender
    members: list[Child]

    @property
    def key(self) -> tuple[str, int]:
        return self.contender.name, len(self.members)


def steps(parameters: OutboxBenchParameters, dialect: str) -> int:
    """How many drains there will be."""
    contenders, _ = present(parameters.peers, dialect)
    return (1 + parameters.rounds) * (len(contenders) + (parameters.relays > 1)) + len(contenders) - 1


async def measure(place: Place) -> Drains:
    """Raises Disagreement where somebody leaves events behind, ChildFailed."""
    given = place.parameters
    async with place.scratch() as setting:
        await also(place.streams, [PEER_STREAM])
        contenders, notes = present(given.peers, setting.database.dialect)
        counts = [given.relays if one is RELAY else TOGETHER for one in contenders]
        asked = [await kinds(one, count, place, setting) for one, count in zip(contenders, counts, strict=True)]
        async with children(list(chain(*asked)), place.folder) as members:
            each = iter(members)
            entrants = [Entrant(one, list(islice(each, count))) for one, count in zip(contenders, counts, strict=True)]
            drains = await _take_turns(place, setting, entrants)
    return Drains(given.events, _result(drains, given.events), notes)


async def _take_turns(place: Place, setting: Setting, whole: list[Entrant]) -> "dict[tuple[str, int], list[Drain]]":
    """One process of each, and all relays, in turns; once, for what becomes of the events, several of the others."""
    ours, *others = whole
    turns = [Entrant(one.contender, one.members[:1]) for one in whole]
    if len(ours.members) > 1:
        turns.insert(1, ours)
    drains: dict[tuple[str, int], list[Drain]] = {one.key: [] for one in turns}
    for one in turns:  # not measured: pools fill, statements are compiled
        await _drain(place, setting, one, min(place.parameters.events, UNMEASURED))
    for _ in range(place.parameters.rounds):
        for one in turns:
            drains[one.key].append(await _drain(place, setting, one, place.parameters.events))
    for one in others:
        drains[one.key] = [await _drain(place, setting, one, place.parameters.events)]
    return drains


async def _drain(place: Place, setting: Setting, entrant: Entrant, events: int) -> Drain:
    contender = entrant.contender
    if contender.fills:
        await entrant.members[0].ask("fill", events=events)
    else:
        await fill(setting.database, setting.bulk, events)
    began = time.monotonic()
    told = await asyncio.gather(*(member.ask("drain") for member in entrant.members))
    seconds = max([one["ended_at"] for one in told if one["moved"]], default=time.monotonic()) - began
    stream = keys.stream(setting.bulk) if contender is RELAY else PEER_STREAM
    numbers = await _numbers(place.raw, stream)
    left = events - sum(one["moved"] for one in told)
    if left > 0:
        raise Disagreement(f"{contender.name} left {left} of {events} events behind, so its time would mean nothing.")
    # Trimmed and not deleted: the relay notices a stream that is gone.
    await place.streams.xtrim(stream, maxlen=0, approximate=False)
    await _empty(setting)
    place.steps.step()
    return Drain(
        seconds=seconds,
        doubled=len(numbers) - len(set(numbers)),
        lost=events - len(set(numbers)),
        inverted=_inverted(numbers),
    )


async def _numbers(raw: Any, stream: str) -> list[int]:
    """The numbers of the events in the order of their entries. `raw` is a client whose answers are bytes."""
    numbers: list[int] = []
    after = b"-"
    while entries := await raw.xrange(stream, min=after, count=PAGE):
        found = (NUMBER.search(b" ".join(fields.values())) for _, fields in entries)
        numbers += [int(one[1]) for one in found if one]
        after = b"(" + entries[-1][0]
    return numbers


def _inverted(numbers: Sequence[int]) -> int:
    """Aggregates among whose first entries a later event stands before an earlier one."""
    of_aggregate: dict[int, list[int]] = defaultdict(list)
    for number in dict.fromkeys(numbers):
        of_aggregate[number % AGGREGATES].append(number)
    return sum(one != sorted(one) for one in of_aggregate.values())


async def _empty(setting: Setting) -> None:
    how = "TRUNCATE domain_events" if setting.database.dialect == "postgresql" else "DELETE FROM domain_events"
    async with setting.database.writing() as session:
        await session.execute(text(how))
        await session.commit()


def _result(drains: dict[tuple[str, int], list[Drain]], events: int) -> list[Drained]:
    ours = drains[RELAY.name, 1]
    return [
        Drained(
            name=name,
            processes=processes,
            rate=spread([events / one.seconds for one in of_one]),
            seconds=spread([one.seconds for one in of_one]),
            ratio=_ratio(ours, of_one) if processes == 1 and name != RELAY.name else None,
            doubled=sum(one.doubled for one in of_one),
            lost=sum(one.lost for one in of_one),
            inverted=sum(one.inverted for one in of_one),
            drains=of_one,
        )
        for (name, processes), of_one in drains.items()
    ]


def _ratio(ours: Sequence[Drain], its: Sequence[Drain]) -> Spread:
    return spread([theirs.seconds / mine.seconds for mine, theirs in zip(ours, its, strict=True)])
