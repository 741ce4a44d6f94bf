"""What operators decide: whether to publish, and what becomes of events that were given up or are wanted again.

Whether to publish is stored with the partitions: every relay reads it with the row it takes. With `at_most`, nothing is
changed where more events match than somebody agreed to.
"""

from sqlalchemy import ColumnElement

from outbox.positions import PartitionRepository
from outbox.repositories import DomainEventRepository
from outbox.wake import wake_relay
from qulab.db.retry import retried
from qulab.db.session import Session


class MoreThanConfirmed(Exception):
    """More events match by now than were confirmed, so none was changed. Ask again."""

    def __init__(self, count: int, confirmed: int) -> None:
        super().__init__(
            f"{count} events match by now, and {confirmed} were confirmed, so none was changed. Run it again."
        )


@retried
async def pause(session: Session) -> None:
    """Stop publishing after the current pass, in every relay, until `resume`."""
    await PartitionRepository(session).set_paused(True)
    await session.commit()


@retried
async def resume(session: Session) -> None:
    """Publish again, at once."""
    await PartitionRepository(session).set_paused(False)
    session.on_commit(wake_relay)
    await session.commit()


@retried
async def redrive(session: Session, *where: ColumnElement[bool], at_most: int | None = None) -> int:
    """Put the dead letters among these events back to pending; returns how many there were."""
    return await _commit(session, await redrive_events(session, *where), at_most)


async def redrive_events(session: Session, *where: ColumnElement[bool]) -> int:
    """`redrive` without a commit, for a service that does more in the same transaction."""
    session.on_commit(wake_relay)
    return await DomainEventRepository(session).redrive(*where)


@retried
async def replay(session: Session, *where: ColumnElement[bool], at_most: int | None = None) -> int:
    """Publish the published ones among these events again, under new entries; returns how many.

    They enter their streams behind what was published meanwhile. A consumer that handled one finds it in its inbox,
    and does not repeat the effect in its database.
    """
    return await _commit(session, await replay_events(session, *where), at_most)


async def replay_events(session: Session, *where: ColumnElement[bool]) -> int:
    """`replay` without a commit."""
    session.on_commit(wake_relay)
    return await DomainEventRepository(session).replay(*where)


@retried
async def discard(session: Session, *where: ColumnElement[bool], reason: str, at_most: int | None = None) -> int:
    """Give the dead letters among these events up; their aggregates flow again. Raises ValueError without a reason."""
    return await _commit(session, await discard_events(session, *where, reason=reason), at_most)


async def discard_events(session: Session, *where: ColumnElement[bool], reason: str) -> int:
    """`discard` without a commit."""
    if not reason.strip():
        raise ValueError("a discarded event needs a reason: say why nobody will miss it")
    session.on_commit(wake_relay)
    return await DomainEventRepository(session).discard(*where, reason=reason.strip().rstrip("."))


async def _commit(session: Session, count: int, at_most: int | None) -> int:
    if at_most is not None and count > at_most:
        await session.rollback()
        raise MoreThanConfirmed(count, at_most)
    await session.commit()
    return count
