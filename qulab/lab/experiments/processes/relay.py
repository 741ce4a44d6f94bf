"""The product's Relay in a process of its own: as it drains a backlog, as it waits for hints, and as a tick runs it."""

import asyncio
import time

from django.conf import settings
from sqlalchemy.exc import OperationalError

from outbox.relay import Relay
from outbox.tally import Tally
from qulab.db.probe import Statement, probe
from qulab.lab.experiments.processes.member import Answer, Member

SLICE = 0.5  # seconds of relaying between two looks at whether to stop
WRITES = "BEGIN IMMEDIATE"


class Worker(Member):
    async def open(self) -> None:
        await super().open()
        self.relay = Relay(self.database, self.streams)
        await self.relay.drain()

    async def drain(self) -> Answer:
        """Drain until there is nothing left that others do not hold; when it ended, in monotonic seconds."""
        moved, ended_at = 0, time.monotonic()
        while count := _marked(await self.relay.drain()):
            moved, ended_at = moved + count, time.monotonic()
        return {"moved": moved, "ended_at": ended_at}

    async def relay_on(self) -> Answer:
        """As `manage.py relay` does, until stopped."""
        moved = 0
        while not self.stopped.is_set():
            moved += (await self.relay.run(seconds=SLICE)).published
        return {"moved": moved}

    async def relay_in_ticks(self) -> Answer:
        """As the task of beat does: a run for each interval; until stopped."""
        moved, due = 0, time.monotonic()
        while not self.stopped.is_set():
            await asyncio.sleep(max(due - time.monotonic(), 0))
            due += settings.RELAY_INTERVAL
            moved += (await self.relay.run(seconds=settings.RELAY_INTERVAL)).published
        return {"moved": moved}

    async def hold(self) -> Answer:
        """Relay until stopped: how long SQLite's write lock was held each time (ms), and how often it was refused."""
        holds: list[float] = []
        moved = locked = 0
        while not self.stopped.is_set():
            with probe(self.database.engine) as opened:
                try:
                    moved += (await self.relay.drain(time.monotonic() + SLICE)).published
                except OperationalError as error:
                    if "locked" not in str(error.orig):
                        raise
                    locked += 1
            holds += held(opened.statements)
            await asyncio.sleep(0.005)
        return {"moved": moved, "holds": holds, "locked": locked}


def _marked(tally: Tally) -> int:
    """Without a row lock, on SQLite, one relay may mark what another has published."""
    return tally.published + tally.repeated


def held(statements: list[Statement]) -> list[float]:
    """Milliseconds from each lock that was granted to the end of its COMMIT."""
    holds: list[float] = []
    granted: float | None = None
    for one in statements:
        if one.sql == WRITES and not one.failed:
            granted = one.start + one.milliseconds
        elif one.sql == "COMMIT" and granted is not None:
            holds.append(one.start + one.milliseconds - granted)
            granted = None
    return holds
