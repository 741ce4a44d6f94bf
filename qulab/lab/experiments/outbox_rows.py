"""What the terminal shows of `bench outbox`: one line for each figure, and below what one must know to read them."""

from collections.abc import Iterator

import msgspec

from qulab.lab.experiments import Table
from qulab.lab.experiments.outbox_apart import NOT_WOKEN, Latencies
from qulab.lab.experiments.outbox_contenders import OURS
from qulab.lab.experiments.outbox_counts import Counts
from qulab.lab.experiments.outbox_drains import Drained, Drains
from qulab.lab.experiments.outbox_idle import Idle
from qulab.lab.experiments.outbox_locks import Locks
from qulab.lab.experiments.outbox_producers import Producers
from qulab.lab.experiments.tables import figure, median, median_of
from qulab.lab.measure import Spread

Figures = Iterator[tuple[str, Spread | None]]


class OutboxBenchResult(msgspec.Struct, frozen=True):
    """`locks` on SQLite only."""

    counts: Counts
    drains: Drains
    latencies: Latencies
    producers: Producers
    idle: Idle
    locks: Locks | None


def rows(result: OutboxBenchResult) -> Table:
    return Table(
        headings=["", *median_of("median")],
        rows=[[name, *median(one)] for name, one in _figures(result) if one is not None],
        notes=list(_notes(result)),
    )


def _figures(result: OutboxBenchResult) -> Figures:
    yield from _of_counts(result.counts)
    yield from _of_drains(result.drains)
    for way in result.latencies.ways:
        for name, one in (("p50", way.p50), ("p95", way.p95), ("p99", way.p99)):
            yield f"commit to consumer, {way.way}, {name}, ms", one
    yield "writers without events, commits/s", result.producers.without
    yield "writers with events, commits/s", result.producers.with_event
    yield "the events' part of their throughput, %", _times(result.producers.cost, 100)
    yield from _of_idle(result.idle)
    if result.locks is not None:
        yield "write lock held by the relay, p50, ms", result.locks.p50
        yield "write lock held by the relay, p99, ms", result.locks.p99
        yield "write lock held by the relay, longest, ms", result.locks.longest


def _of_counts(counts: Counts) -> Figures:
    yield "written by record_event, events/s", counts.writing
    yield "WAL of writing, bytes an event", counts.write_wal
    yield "WAL of draining, bytes an event", counts.drain_wal
    yield "SQL statements in a pass", counts.pass_statements
    yield "Redis commands in a pass", counts.pass_commands
    yield "SQL statements for a batch, drain's frame included", counts.statements_per_batch
    yield "Redis commands for a batch, drain's frame included", counts.commands_per_batch


def _of_drains(drains: Drains) -> Figures:
    for one in drains.contenders:
        yield f"drained by {_who(one)}, events/s", one.rate
    for one in drains.contenders:
        if one.name == OURS:
            yield f"{drains.events:,} events drained by {_who(one)}, s", one.seconds
    for one in drains.contenders:
        yield f"rate of one relay over that of {one.name}", one.ratio


def _of_idle(idle: Idle) -> Figures:
    yield f"empty tick, {idle.published:,} published, ms", idle.empty
    yield f"tick that finds nothing, {idle.waiting:,} waiting, ms", idle.nothing_due
    yield f"tick that publishes another, {idle.waiting:,} waiting, ms", idle.another


def _who(one: Drained) -> str:
    what = f"{one.name}" if one.name != OURS else "relay"
    return f"1 {what}" if one.processes == 1 else f"{one.processes} × {what}"


def _times(one: Spread, factor: float) -> Spread:
    return Spread(factor * one.median, factor * one.low, factor * one.high, one.n)


# --- Notes -----------------------------------------------------------------------------------------------------------


def _notes(result: OutboxBenchResult) -> Iterator[str]:
    yield "Medians with their range, of rounds in turns; where n is 1, one run for what becomes of the events."
    if result.counts.write_wal is None:
        yield "SQLite tells no bytes of WAL for a transaction: that figure is left out."
    for one in result.drains.contenders:
        if told := _fate(one):
            yield f"{_who(one)}: {told}."
    yield from result.drains.notes
    yield from (
        PEER_NOTES[one.name] for one in result.drains.contenders if one.processes == 1 and one.name in PEER_NOTES
    )
    yield from _of_latencies(result.latencies)
    yield "A tick with something waiting has one pass in it: without the empty tick, that is what the pass takes."
    if result.locks is not None:
        yield (
            f"{result.locks.writers} processes committed {result.locks.commits:,} times beside the relay; "
            f'"database is locked": {result.locks.locked}.'
        )


def _of_latencies(latencies: Latencies) -> Iterator[str]:
    tick = figure(latencies.tick)
    yield f"In ticks: beat sends one every {tick} ms, and the relay is there until the next one."
    yield f"{NOT_WOKEN.capitalize()}: no commit sends a hint; the goal is one tick ({tick} ms) and 100 ms."
    for way in latencies.ways:
        if way.missing:
            yield f"{way.way}: {way.missing} events were not read in time."


def _fate(one: Drained) -> str:
    counts = {"doubled": one.doubled, "lost": one.lost, "of its aggregates in another order": one.inverted}
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


PEER_NOTES = {
    "by hand": "By hand: SELECT … FOR UPDATE SKIP LOCKED, a pipeline of XADDs, UPDATE, COMMIT. It promises nothing.",
    "faststream-outbox": (
        "faststream-outbox: one XADD and one handler call for each event, four workers, fetches and deletes in batches "
        "of the relay's size; its time has the start of its subscriber in it. What it has published it deletes."
    ),
    "django-outbox-pattern": (
        "django-outbox-pattern speaks STOMP: in place of its connection class (DEFAULT_CONNECTION_CLASS, a setting of "
        "its own) stands one whose send() is an XADD through redis-py. It waits for an answer; a SEND does not. "
        "Its chunks have the relay's size, its pause between two looks (1 s) is set to 0."
    ),
}
