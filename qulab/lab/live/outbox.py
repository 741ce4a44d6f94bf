"""The outbox is read once for everybody who looks at it: when it stirs, and a few times a second besides.

A reading is one statement. The rows are read, and drawn, only where it says that they changed. No connection is held
while Redis is asked.
"""

import asyncio
import time
from typing import Any

import msgspec
from django.template.loader import render_to_string

from outbox import selectors
from outbox.selectors import Pulse
from qulab.db.engine import get_database
from qulab.db.errors import is_outage
from qulab.lab import outbox_pages as pages
from qulab.lab.live.hub import Hub
from qulab.lab.live.topics import OUTBOX_OF_ALL

PERIOD = 0.2  # seconds between two looks when nothing stirs
SPACING = 0.04  # seconds at least: a drain says a word for each of its batches
IDLE = 1.0  # seconds after which the relay's log is read, and a reading told, that may be the same


class Reading(msgspec.Struct, frozen=True, omit_defaults=True):
    """`at` in Unix seconds, `lag` in seconds; `html` are the lanes, where they are news. `away`: no answer at all."""

    at: float
    pending: int | None = None
    lag: float = 0.0
    html: str = ""
    away: bool = False


class Reader:
    """What was read and told last."""

    def __init__(self, hub: Hub, topic: str) -> None:
        self._hub = hub
        self._topic = topic
        self._beat: tuple[Any, ...] | None = None
        self._activity: dict[str, Any] = {}
        self._told_at = 0.0

    async def step(self) -> None:
        """Read, and tell what is new. A database that does not answer is told, too."""
        try:
            async with get_database().reading() as session:
                pulse = await selectors.pulse(session)
            if pulse.beat != self._beat or time.monotonic() - self._told_at >= IDLE:
                await self._look_closer(pulse)
            elif pulse.depth:
                self._tell(pulse)
        except Exception as error:
            if not is_outage(error):
                raise
            self._beat = None
            self._hub.tell(self._topic, msgspec.json.encode(Reading(time.time(), away=True)))

    async def _look_closer(self, pulse: Pulse) -> None:
        activity = await pages.activity_view()
        html = ""
        if (pulse.beat, activity) != (self._beat, self._activity):
            async with get_database().reading() as session:
                lanes = await pages.outbox_tables(session, of_all=self._topic == OUTBOX_OF_ALL)
            html = render_to_string("partials/outbox_tables.html", {**activity, **lanes}) + ""  # a plain str
        self._beat, self._activity, self._told_at = pulse.beat, activity, time.monotonic()
        self._tell(pulse, html)

    def _tell(self, pulse: Pulse, html: str = "") -> None:
        reading = Reading(time.time(), pulse.depth, pulse.lag_seconds or 0.0, html)
        self._hub.tell(self._topic, msgspec.json.encode(reading), greets=bool(html))


async def outbox(hub: Hub, *, topic: str) -> None:
    """Readings for as long as somebody listens."""
    reader = Reader(hub, topic)
    while hub.is_heard(topic):
        await reader.step()
        await asyncio.sleep(SPACING)
        try:
            async with asyncio.timeout(PERIOD - SPACING):
                await hub.outbox_stirs.wait()
        except TimeoutError:
            continue
        hub.outbox_stirs.clear()
