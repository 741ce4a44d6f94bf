"""What two marks say about each other is decided here, without a database and without Redis."""

from enum import StrEnum

from outbox.marks import Kind, Reply
from outbox.positions import Mark, Position


class Ending(StrEnum):
    """How a pass ended."""

    PUBLISHED = "published"
    REPEATED = "repeated"  # a batch that a dead relay had published was only marked
    RECOVERED = "recovered"  # Redis had lost batches: their events are pending again
    NOTHING = "nothing"  # paused, held by another relay, or nothing due
    OVERTAKEN = "overtaken"  # another relay moved the partition meanwhile
    DATABASE_OLDER = "database older than Redis"
    REFUSED = "refused"
    GONE = "gone"  # a stream was deleted: its events must be pending again before it may begin anew


PROGRESS = {Ending.PUBLISHED, Ending.REPEATED, Ending.RECOVERED}


def is_behind(theirs: Mark, ours: Mark) -> bool:
    return theirs.generation != ours.generation or theirs.batch < ours.batch


def shared_up_to(theirs: Mark, position: Position) -> int:
    """The last batch of an older mark that is also ours: up to where the generations parted."""
    return min([theirs.batch, *position.forks[theirs.generation :]])


def first_lost(mark: Mark, kept: dict[str, str]) -> int:
    """The first batch of which Redis lost something, where it stands at `mark` and keeps these entries of that batch.

    Without entries, the batch is what the database says it was.
    """
    return mark.batch if kept or mark.batch == 0 else mark.batch + 1


def judge(reply: Reply, position: Position) -> tuple[Ending, Mark]:
    """How the pass ends, and the mark at which the partition stands then."""
    ours, theirs = position.mark, reply.mark
    if reply.kind is Kind.PUBLISHED:
        return Ending.PUBLISHED, theirs
    if reply.kind is Kind.REFUSED:
        return Ending.REFUSED, ours
    if reply.kind is Kind.GONE:
        return Ending.GONE, ours
    if reply.kind is Kind.AGREED:
        return Ending.NOTHING, ours
    if theirs == ours.following():
        return Ending.REPEATED, theirs
    if theirs.generation == ours.generation + 1 and theirs.batch <= ours.batch:
        return Ending.RECOVERED, theirs  # a relay died between the two halves of its recovery
    if theirs < ours:
        return Ending.RECOVERED, Mark(ours.generation + 1, shared_up_to(theirs, position))
    return Ending.DATABASE_OLDER, ours
