"""A stream that was deleted while the rest of Redis stayed is lost data: what the table holds of it is published again.

Redis refuses to begin such a stream anew (`marks.PUBLISH`) until its events are pending again, so nothing can be added
unnoticed, and a relay that dies half-way leaves the work to the next one.
"""

import logging

from outbox.backlog import RelayRepository
from outbox.marks import Look, Marks
from outbox.positions import PartitionRepository
from outbox.verdict import shared_up_to
from qulab.cache import keys
from qulab.db.engine import Database
from qulab.db.retry import retried
from qulab.db.session import Session

logger = logging.getLogger(__name__)


async def refill(database: Database, marks: Marks) -> int:
    """Make the events of deleted streams pending again; returns how many, over all streams."""
    async with database.reading() as session:
        positions = await PartitionRepository(session).positions()
    look = await marks.look({position.partition: position.epoch for position in positions})
    total = 0
    for stream in look.gone:
        async with database.writing() as session:
            count = await _reopen(session, stream, look)
        if count is not None:
            await marks.forget(stream)
            logger.warning("the stream %s was deleted: %d events that were in it are published again", stream, count)
            total += count
    return total


@retried
async def _reopen(session: Session, stream: str, look: Look) -> int | None:
    """The number of events that are pending again. None: a batch is on its way into the table; look again later.

    What was published after the look went into a new stream, after another relay had done this: it has a later batch.
    """
    partitions, backlog = PartitionRepository(session), RelayRepository(session)
    total = 0
    for position in await partitions.lock_all():
        mark = look.marks.get(position.partition)
        if mark is None or position.mark < mark:
            return None
        up_to = shared_up_to(mark, position)
        count = await backlog.reopen_stream(position.partition, keys.aggregate_type(stream), up_to=up_to)
        if count:
            await partitions.count(position.partition, recovered=count)
        total += count
    await session.commit()
    return total
