"""The outbox is read once for everybody who looks at it: at each word of a relay's, and a few times a second besides.

A reading is one statement. The rows are read, and drawn, only where it says that they changed.
"""

import asyncio
import time

import msgspec
from django.template.loader import render_to_string

from outbox import selectors
from qulab.db.engine import get_database
from qulab.db.errors import is_outage
from qulab.lab import outbox_pages as pages
from qulab.lab.live.hub import Hub
from qulab.lab.live.topics import OUTBOX

PERIOD = 0.2  # seconds between two looks when no relay says anything
SETTLING = 0.03  # seconds: a relay speaks before its second transaction is committed
IDLE_READINGS = 1.0  # seconds between readings that say the same


class Reading(msgspec.Struct, frozen=True, omit_defaults=True):
    """`at` in Unix seconds, `lag` in seconds; `html` are the lanes, where they are news. `away`: no answer at all."""

    at: float
    pending: int | None = None
    lag: float = 0.0
    html: str = ""
    away: bool = False


async def outbox(hub: Hub) -> None:
    """Readings of the outbox. A database that does not answer is told, and asked again."""
    seen, told_at = None, 0.0
    while hub.is_heard(OUTBOX):
        try:
            activity = await pages.activity_view()  # Redis first: no connection is held while it is asked
            async with get_database().reading() as session:
                pulse = await selectors.pulse(session)
                state = (pulse.beat, activity)
                lanes = {**activity, **await pages.outbox_tables(session)} if state != seen else {}
        except Exception as error:
            if not is_outage(error):
                raise
            _tell(hub, Reading(time.time(), away=True))
            seen = None
        else:
            if lanes or pulse.depth or time.monotonic() - told_at >= IDLE_READINGS:
                html = render_to_string("partials/outbox_tables.html", lanes) + "" if lanes else ""  # a plain str
                _tell(hub, Reading(time.time(), pulse.depth, pulse.lag_seconds or 0.0, html))
                seen, told_at = state, time.monotonic()
        await _wait(hub)


def _tell(hub: Hub, reading: Reading) -> None:
    hub.tell(OUTBOX, msgspec.json.encode(reading), greets=bool(reading.html))


async def _wait(hub: Hub) -> None:
    try:
        async with asyncio.timeout(PERIOD):
            await hub.published.wait()
    except TimeoutError:
        return
    await asyncio.sleep(SETTLING)
    hub.published.clear()
