"""What operators decide: whether to publish, and what becomes of events that were given up or are wanted again.

Whether to publish is stored with the partitions: every relay reads it with the row it takes.
"""

from sqlalchemy import ColumnElement

from outbox.positions import PartitionRepository
from outbox.repositories import DomainEventRepository
from outbox.wake import wake_relay
from qulab.db.retry import retried
from qulab.db.session import Session


@retried
async def pause(session: Session) -> None:
    """Stop publishing after the current pass, in every relay, until `resume`."""
    await PartitionRepository(session).set_paused(True)
    await session.commit()


@retried
async def resume(session: Session) -> None:
    """Publish again, at once."""
    await PartitionRepository(session).set_paused(False)
    await _commit_and_wake(session)


@retried
async def redrive(session: Session, *where: ColumnElement[bool]) -> int:
    """Put the dead letters among these events back to pending; returns how many there were."""
    count = await DomainEventRepository(session).redrive(*where)
    await _commit_and_wake(session)
    return count


@retried
async def replay(session: Session, *where: ColumnElement[bool]) -> int:
    """Publish the published ones among these events again, under new entries; returns how many.

    They enter their streams behind what was published meanwhile. A consumer that handled one finds it in its inbox,
    and does not repeat the effect in its database.
    """
    count = await DomainEventRepository(session).replay(*where)
    await _commit_and_wake(session)
    return count


@retried
async def discard(session: Session, *where: ColumnElement[bool], reason: str) -> int:
    """Give the dead letters among these events up; their aggregates flow again. Raises ValueError without a reason."""
    if not reason.strip():
        raise ValueError("a discarded event needs a reason: say why nobody will miss it")
    count = await DomainEventRepository(session).discard(*where, reason=reason.strip().rstrip("."))
    await _commit_and_wake(session)
    return count


async def _commit_and_wake(session: Session) -> None:
    session.on_commit(wake_relay)
    await session.commit()
