"""Whether to publish is stored with the partitions: every relay reads it with the row it takes."""

from outbox.repositories import PartitionRepository
from outbox.wake import wake_relay
from qulab.db.session import Session


async def pause(session: Session) -> None:
    """Stop publishing after the current pass, in every relay, until `resume`."""
    await PartitionRepository(session).set_paused(True)
    await session.commit()


async def resume(session: Session) -> None:
    """Publish again, at once."""
    await PartitionRepository(session).set_paused(False)
    session.on_commit(wake_relay)
    await session.commit()
