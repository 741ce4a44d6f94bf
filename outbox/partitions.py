"""The table of partitions agrees with the setting before anything is published."""

import logging

from django.conf import settings

from outbox.positions import PartitionRepository
from qulab.db.engine import Database

logger = logging.getLogger(__name__)


async def prepare_partitions(database: Database) -> None:
    """Make the table agree with the setting. Raises PartitionCountChanged while events wait under another count."""
    count = settings.OUTBOX_PARTITIONS
    async with database.writing() as session:
        repository = PartitionRepository(session)
        positions = await repository.positions()
        if len(positions) != count:
            if any(position.has_pending for position in positions):
                raise PartitionCountChanged(len(positions), count)
            await repository.resize(count)
        strays = await repository.adopt_strays(count)
        await session.commit()
    if strays:
        logger.warning("%d events were written under another number of partitions; they are published too", strays)


class PartitionCountChanged(Exception):
    """The number of partitions was changed while events are pending, which would break their order."""

    def __init__(self, stored: int, wanted: int) -> None:
        super().__init__(
            f"QULAB_OUTBOX_PARTITIONS is {wanted}, but events are pending in {stored} partitions. Set it to {stored} "
            "in every process, let `manage.py relay --until-empty` publish what is pending, then change it."
        )
