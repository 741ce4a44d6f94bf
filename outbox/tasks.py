"""Beat sends a tick; the tick relays until the next one is due, so that an event rarely waits for a tick."""

from celery import shared_task
from django.conf import settings

from outbox.relay import Relay
from qulab.cache.client import get_streams
from qulab.db import worker
from qulab.db.engine import get_database
from qulab.db.loop import PerLoop

# One for each worker process: its circuit breaker outlives a tick.
_relays: PerLoop[Relay] = PerLoop(lambda: Relay(get_database(), get_streams()))


@shared_task(name="outbox.tasks.relay_events")
def relay_events() -> int:
    """Relay for one interval; returns the number of events published."""
    return worker.run(_tick())


async def _tick() -> int:
    # The margin keeps ticks from queueing behind each other.
    tally = await _relays.get().run(seconds=settings.RELAY_INTERVAL * 0.9)
    return tally.published
