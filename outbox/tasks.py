"""Beat sends a tick; the tick relays until the next one is due, so that an event rarely waits for a tick.

Once a day it sends for pruning, so that neither tables nor streams only grow.
"""

import logging
from datetime import timedelta

from celery import shared_task
from django.conf import settings

from outbox.pruning import Pruned, prune
from outbox.relay import Relay
from qulab.cache.client import get_streams
from qulab.db import worker
from qulab.db.engine import get_database
from qulab.db.loop import PerLoop

logger = logging.getLogger(__name__)

# One for each worker process: its circuit breaker outlives a tick.
_relays: PerLoop[Relay] = PerLoop(lambda: Relay(get_database(), get_streams()))


@shared_task(name="outbox.tasks.relay_events")
def relay_events() -> int:
    """Relay for one interval; returns the number of events published."""
    return worker.run(_tick())


async def _tick() -> int:
    # The whole interval: the next tick waits in the queue by then, and one that waited for longer has expired.
    tally = await _relays.get().run(seconds=settings.RELAY_INTERVAL)
    return tally.published


@shared_task(name="outbox.tasks.prune_outbox")
def prune_outbox() -> int:
    """Delete what is past retention; returns the number of events deleted."""
    return worker.run(_prune())


async def _prune() -> int:
    retention = timedelta(days=settings.OUTBOX_RETENTION_DAYS)
    pruned: Pruned = await prune(get_database(), get_streams(), older_than=retention)
    logger.info(
        "pruned %d events, %d inbox rows and %d stream entries older than %d days",
        pruned.published + pruned.discarded,
        pruned.inbox,
        sum(one.entries for one in pruned.streams or []),
        retention.days,
    )
    if pruned.streams is None:
        logger.warning("Redis does not answer: streams and inbox are pruned another time")
    for one in pruned.streams or []:
        if one.kept_for:
            logger.warning(
                "%s keeps %d entries past retention for %s, and the inbox stays whole until they are acknowledged",
                one.stream,
                one.kept,
                " and ".join(one.kept_for),
            )
    return pruned.published + pruned.discarded
