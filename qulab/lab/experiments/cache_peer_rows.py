"""One table for each thing that is compared; what was not measured has none, and what is left out is told."""

from collections.abc import Iterator, Sequence
from statistics import median

import msgspec

from qulab.lab.experiments import Table
from qulab.lab.experiments.cache_hits import Speeds
from qulab.lab.experiments.cache_outages import Outage, Outages
from qulab.lab.experiments.cache_peers import PeersResult
from qulab.lab.experiments.cache_reader import Read
from qulab.lab.experiments.cache_stampedes import LOAD, PROCESSES, READERS
from qulab.lab.experiments.peers import INSTALL
from qulab.lab.experiments.tables import figure, range_of


def rows(result: PeersResult) -> list[Table]:
    """The tables in the order of the terminal. What is left out is told below the last."""
    *tables, last = [*_speeds(result.speeds), *_counts(result), *_away(result.outages)]
    return [*tables, msgspec.structs.replace(last, notes=[*last.notes, *_left_out(result)])]


def _speeds(speeds: Speeds) -> Iterator[Table]:
    ways = {
        "one at a time": speeds.alone,
        f"{speeds.readers} at once, a key each": speeds.apart,
        f"{speeds.readers} at once, one key": speeds.hot,
    }
    yield Table(
        headings=["hits", "µs", "× redis-py"],
        rows=[
            [f"{way}: {one.name}", range_of(one.time), range_of(one.ratio)]
            for way, costs in ways.items()
            for one in costs
        ],
        notes=[
            f"Medians (low – high) of {speeds.alone[0].time.n} rounds of {speeds.calls} reads, in turns; each ratio is "
            f"one round's."
        ],
    )
    yield Table(
        headings=["misses", "ms", "× redis-py", "beyond the load, ms", "× redis-py"],
        rows=[[one.name, *map(range_of, (one.time, one.ratio, one.beyond, one.beyond_ratio))] for one in speeds.misses],
        notes=[f"The load sleeps {figure(speeds.load_ms)} ms and is timed in each read."],
    )


def _counts(result: PeersResult) -> Iterator[Table]:
    if result.stampedes:
        yield Table(
            headings=["stampedes", "runs with one load", "loads", "readers failed", "last reader, ms"],
            rows=[
                [
                    f"{one.name} ({one.option})",
                    f"{one.single} of {len(one.loads)}",
                    f"{figure(median(one.loads))} ({min(one.loads)} – {max(one.loads)})",
                    str(one.failed),
                    range_of(one.last),
                ]
                for one in result.stampedes
            ],
            notes=[
                f"{PROCESSES} processes with {READERS} readers each ask for one cold key at once; a load sleeps "
                f"{figure(1000 * LOAD)} ms."
            ],
        )
    if result.stale_sets:
        yield Table(
            headings=["forced stale sets", "stale"],
            rows=[[one.name, f"{one.stale:,} of {one.tries:,}"] for one in result.stale_sets],
            notes=["The row changes and is invalidated after the load has read it and before its value is stored."],
        )
    yield Table(
        headings=["one of ten readers is cancelled", "of the others failed", "loads a turn"],
        rows=[
            [f"{one.name} ({one.option})", f"{one.failed} of {one.others}", figure(9 * one.loads / one.others)]
            for one in result.collateral
        ],
        notes=["More than one load: readers load for themselves, some only when the first is gone."],
    )


def _away(outages: Outages | None) -> Iterator[Table]:
    if outages is None:
        return
    yield Table(
        headings=["Redis is away", "hung: first, ms", "then, beyond the load", "refusing: first, ms", "then"],
        rows=[
            [hung.name, *_outage(hung, outages.patience), *_outage(refusing, outages.patience)]
            for hung, refusing in zip(outages.hung, outages.refusing, strict=True)
        ],
        notes=[
            f"Each with its own defaults; given up after {figure(outages.patience)} s. A load sleeps "
            f"{figure(outages.load_ms)} ms. Then: the slowest of the reads that follow, and how many they were."
        ],
    )


def _outage(one: Outage, patience: float) -> list[str]:
    return [_told(one.first, patience, one.first.ms), _then(one.then, patience)]


def _then(reads: Sequence[Read], patience: float) -> str:
    worst = max(reads, key=lambda read: (not read.ended, _beyond(read)))
    return f"{_told(worst, patience, _beyond(worst))} of {len(reads)}"


def _beyond(read: Read) -> float:
    return read.ms - (read.load or 0.0)


def _told(read: Read, patience: float, ms: float) -> str:
    if not read.ended:
        return f"> {figure(1000 * patience)}"
    return f"{figure(ms)} {read.error}".rstrip()


def _left_out(result: PeersResult) -> Iterator[str]:
    if not result.parameters.peers:
        yield f"Libraries take part with --peers true ({INSTALL})."
    elif not result.in_a_checkout:
        yield "All libraries are left out: they are compared in a checkout, where tests/peers is."
    else:
        for one in result.missing:
            yield f"{one.name} is left out: {', '.join(one.modules)} is not installed ({INSTALL})."
