"""Readers in several processes ask for one cold key at the same moment; what counts is how often it was loaded."""

import time
from collections.abc import Sequence

import msgspec

from qulab.lab.experiments.cache_entrants import Entrant
from qulab.lab.experiments.cache_reader import Order
from qulab.lab.experiments.cache_readers import Readers
from qulab.lab.experiments.cache_ring import Ring
from qulab.lab.measure import Spread, spread

PROCESSES, READERS = 4, 50
LOAD = 0.05  # seconds: a slow query, the kind that a stampede repeats
SOON = 0.03  # seconds from the order to the moment at which all begin
PATIENCE = 10.0  # seconds for all readers of a run to end
HERD = "herd"  # the id of the one key


class Stampedes(msgspec.Struct, frozen=True):
    """`loads` in each run, over all processes. `failed`: readers that got no value, of all runs.

    `last`: ms until the last reader had its value.
    """

    name: str
    option: str
    loads: list[int]
    failed: int
    last: Spread

    @property
    def single(self) -> int:
        """Runs with one load."""
        return self.loads.count(1)


class Run(msgspec.Struct, frozen=True):
    loads: int
    failed: int
    last: float


async def stampedes(ring: Ring, entrants: Sequence[Entrant], readers: Readers, url: str, runs: int) -> list[Stampedes]:
    """In turns: each contender once in every run."""
    found: dict[str, list[Run]] = {entrant.name: [] for entrant in entrants}
    for turn in range(1 + runs if runs else 0):
        for entrant in [*entrants[turn % len(entrants) :], *entrants[: turn % len(entrants)]]:
            run = await _run(ring, entrant, readers, url)
            if turn:  # the first opens connections and loads modules
                found[entrant.name].append(run)
        ring.steps.done()
    return [_stampedes(entrant, found[entrant.name]) for entrant in entrants if runs]


async def _run(ring: Ring, entrant: Entrant, readers: Readers, url: str) -> Run:
    await ring.empty(ring.contenders[entrant.name], HERD)
    at = time.time() + SOON
    order = Order(entrant=entrant, url=url, id_=HERD, readers=READERS, at=at, load=LOAD, patience=PATIENCE)
    answers = await readers.all(order)
    reads = [read for answer in answers for read in answer.first]
    return Run(
        loads=sum(answer.loads for answer in answers),
        failed=sum(not read.ended or bool(read.error) for read in reads),
        last=max(read.ms for read in reads),
    )


def _stampedes(entrant: Entrant, runs: Sequence[Run]) -> Stampedes:
    return Stampedes(
        name=entrant.name,
        option=entrant.option,
        loads=[run.loads for run in runs],
        failed=sum(run.failed for run in runs),
        last=spread([run.last for run in runs]),
    )
