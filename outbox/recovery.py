"""What a recovery publishes again is first taken out of the streams, so that it is there once, whatever came back.

Redis may come back with a past that an earlier recovery left behind, or with a stream from before it was deleted and
filled again. Its streams then hold events that the table knows from later batches only, or as pending.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from outbox.backlog import Lost, RelayRepository
from outbox.envelope import FIELD
from outbox.marks import Marks, Reply
from outbox.positions import Mark, Position
from outbox.verdict import first_lost
from qulab.cache import keys
from qulab.db.engine import Database

MARGIN = timedelta(
    minutes=10
)  # that the clocks of producers and of Redis may differ: earlier entries are not looked at
ENTRIES = 1000  # of one look


class _Id(msgspec.Struct):
    """All that is read of an envelope."""

    id: str


_decoder = msgspec.json.Decoder(_Id)


async def begin_recovery(
    database: Database, marks: Marks, position: Position, reply: Reply, target: Mark
) -> dict[str, str] | None:
    """Begin a generation in Redis; returns the entries that it keeps of the batch which `target` numbers.

    None: the mark moved meanwhile, and with it the reason. Nothing is written to the database here; a relay that dies
    before it is leaves the same recovery to the next one.
    """
    kept = reply.map if target.batch == reply.mark.batch else {}
    # From a past that was left behind, events may be there that have become pending since.
    left_behind = target.batch < reply.mark.batch
    lost = Lost(position.partition, first_lost(target, kept), kept, or_waiting=left_behind)
    async with database.reading() as session:
        oldest = await RelayRepository(session).oldest_lost(lost)
    for aggregate_type, created_at in oldest:
        if not await _take_out(database, marks, position, reply.mark, lost, keys.stream(aggregate_type), created_at):
            return None
    return kept if await marks.recover(position.epoch, position.partition, reply.mark, target) else None


async def _take_out(
    database: Database, marks: Marks, position: Position, seen: Mark, lost: Lost, stream: str, created_at: datetime
) -> bool:
    """Remove the entries of lost events from a stream, from the time on when the first of them can have come there."""
    start = f"{int((created_at - MARGIN).timestamp() * 1000)}-0"
    while entries := await marks.entries(stream, start, ENTRIES):
        found = dict(_ids(entries))
        async with database.reading() as session:
            doomed = await RelayRepository(session).which_are_lost(lost, list(found))
        doomed_entries = [found[id_] for id_ in doomed]
        if doomed and not await marks.remove(position.epoch, position.partition, seen, stream, doomed_entries):
            return False
        start = f"({entries[-1][0]}"
    return True


def _ids(entries: Iterable[tuple[str, dict[str, str]]]) -> Iterable[tuple[str, str]]:
    """Event id and entry id, of the entries that are events."""
    for entry_id, fields in entries:
        try:
            yield _decoder.decode(fields[FIELD]).id, entry_id
        except (KeyError, msgspec.DecodeError):
            continue  # somebody else's: a consumer moves it to its dead letters
