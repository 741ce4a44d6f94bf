"""What `manage.py outbox` says in a terminal: each figure with its name, and what could not be read named too."""

from collections.abc import Iterator

from outbox.figures import OutboxFigures, PartitionFigures
from outbox.pruning import Pruned
from outbox.selectors import MOST_COUNTED
from outbox.streams import MOST_COUNTED as MOST_ENTRIES
from outbox.streams import StreamsState, StreamState, Trimmed
from qulab.lab.experiments import Table
from qulab.lab.experiments.tables import lines

PARTITIONS = ["partition", "pending", "published", "repeats avoided", "recovered", "failed attempts", "batch"]
STREAMS = ["stream", "entries", "group", "consumers", "pending", "lag", "trimmed unacknowledged"]
REDIS_IS_AWAY = "Redis does not answer: "


def stats(figures: OutboxFigures, partitions: list[PartitionFigures], streams: StreamsState | None) -> Iterator[str]:
    lag = "nothing waits" if figures.lag_seconds is None else f"the oldest since {figures.lag_seconds:,.1f} s"
    yield f"{bounded(figures.depth, MOST_COUNTED)} pending, {lag}; {bounded(figures.dead, MOST_COUNTED)} dead."
    yield "Publishing is paused." if figures.paused else "Publishing is on."
    yield (
        f"Since the tables were made: {figures.published:,} published, {figures.repeated:,} repeats avoided, "
        f"{figures.recovered:,} recovered, {figures.failed:,} failed attempts."
    )
    yield ""
    yield from lines(Table(PARTITIONS, [_partition(one) for one in partitions]))
    yield ""
    yield from _streams(streams)


def pruned(told: Pruned) -> Iterator[str]:
    verb = "Would delete" if told.dry_run else "Deleted"
    yield (
        f"{verb} {told.published:,} published and {told.discarded:,} discarded events and {told.inbox:,} inbox rows "
        f"from before {told.before:%Y-%m-%d %H:%M:%S} UTC."
    )
    if told.streams is None:
        yield f"{REDIS_IS_AWAY}streams and inbox stay as they are."
        return
    for one in told.streams:
        yield from _trimmed(one, told.dry_run)
    if told.inbox_kept:
        yield "The inbox stays whole meanwhile: what a group has yet to acknowledge may come again."
    if told.consumers:
        yield f"Removed {told.consumers:,} consumers that had nothing pending and were silent for a day."


def bounded(count: int, most: int) -> str:
    return f"{most:,} or more" if count >= most else f"{count:,}"


def _partition(one: PartitionFigures) -> list[str]:
    counts = [one.published, one.repeated, one.recovered, one.failed, one.batch]
    return [str(one.partition), bounded(one.depth, MOST_COUNTED), *(f"{count:,}" for count in counts)]


def _streams(state: StreamsState | None) -> Iterator[str]:
    if state is None:
        yield f"{REDIS_IS_AWAY}nothing is known of the streams."
        return
    if not state.streams:
        yield "There are no streams yet."
        return
    yield from lines(Table(STREAMS, [row for stream in state.streams for row in _rows(stream)]))
    for group, count in state.dead_letters.items():
        yield f"{count:,} dead letters of group {group}." if count else f"No dead letters of group {group}."


def _rows(stream: StreamState) -> Iterator[list[str]]:
    first = [stream.name, f"{stream.length:,}"]
    for group in stream.groups:
        lag = "–" if group.lag is None else f"{group.lag:,}"
        yield [*first, group.name, f"{group.consumers:,}", f"{group.pending:,}", lag, f"{group.trimmed:,}"]
        first = ["", ""]
    if not stream.groups:
        yield [*first, "no group", "", "", "", ""]


def _trimmed(one: Trimmed, dry_run: bool) -> Iterator[str]:
    count = bounded(one.entries, MOST_ENTRIES) if dry_run else f"{one.entries:,}"
    yield f"{one.stream}, old entries: {count} {'would go' if dry_run else 'trimmed'}."
    if one.kept_for:
        count, groups = bounded(one.kept, MOST_ENTRIES), " and ".join(one.kept_for)
        yield f"{one.stream}, old entries: {count} kept, which {groups} must still acknowledge."
