"""A read is stale when it began after a newer version had been acknowledged: that is decided per key, by this process.

Readers and writers are tasks of one event loop; each takes the next operation when it has finished its last.
"""

import asyncio
import time
from collections.abc import Callable, Iterator

import msgspec

from qulab.db.loop import raise_if_cancelled
from qulab.lab.experiments.cache_patterns import Operation
from qulab.lab.experiments.cache_strategies import Strategy
from qulab.lab.measure import quantile


class Trial(msgspec.Struct, frozen=True):
    """One strategy under one pattern, from an empty cache. Times in milliseconds, None where nothing was written."""

    reads: int
    writes: int
    hits: int
    stale: int
    loads: int
    commits: int
    read_p50: float
    read_p99: float
    write_p50: float | None
    write_p99: float | None


Watch = Callable[[int, int], None]
"""Called after each read with (reads, stale reads) of the trial so far; it is measured, so it must be cheap."""


def unwatched(_reads: int, _stale: int) -> None:
    """The Watch of a trial that nobody follows."""


class Ledger:
    """What was acknowledged, and what the readers were given."""

    def __init__(self, watch: Watch = unwatched) -> None:
        self._watch = watch
        self._acknowledged: dict[str, int] = {}
        self.hits = 0
        self.stale = 0
        self.reads: list[float] = []  # milliseconds
        self.writes: list[float] = []

    async def read(self, strategy: Strategy, id_: str) -> None:
        newest, began = self._acknowledged.get(id_, 0), time.perf_counter()
        value, hit = await strategy.read(id_)
        self.reads.append(1000 * (time.perf_counter() - began))
        self.hits += hit
        self.stale += value.version < newest
        self._watch(len(self.reads), self.stale)

    async def write(self, strategy: Strategy, id_: str) -> None:
        began = time.perf_counter()
        version = await strategy.write(id_, f"Name {len(self.writes)}")
        self.writes.append(1000 * (time.perf_counter() - began))
        self._acknowledged[id_] = max(version, self._acknowledged.get(id_, 0))


async def trial(strategy: Strategy, asked: Iterator[Operation], *, concurrency: int, watch: Watch = unwatched) -> Trial:
    """Carry out what is asked, `concurrency` operations at a time. What is written late counts as well."""
    rows, ledger = strategy.rows, Ledger(watch)
    loads, commits = rows.loads, rows.commits
    tasks = [asyncio.create_task(_work(strategy, asked, ledger)) for _ in range(concurrency)]
    try:
        await asyncio.gather(*tasks)
    finally:  # where one failed, the others end with it
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await strategy.settle()
    return Trial(
        reads=len(ledger.reads),
        writes=len(ledger.writes),
        hits=ledger.hits,
        stale=ledger.stale,
        loads=rows.loads - loads,
        commits=rows.commits - commits,
        read_p50=quantile(ledger.reads, 0.5),
        read_p99=quantile(ledger.reads, 0.99),
        write_p50=quantile(ledger.writes, 0.5) if ledger.writes else None,
        write_p99=quantile(ledger.writes, 0.99) if ledger.writes else None,
    )


async def _work(strategy: Strategy, asked: Iterator[Operation], ledger: Ledger) -> None:
    for operation in asked:
        raise_if_cancelled()  # the client of Redis may have lost it
        await (ledger.write if operation.writes else ledger.read)(strategy, operation.id)
