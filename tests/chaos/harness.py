"""Writes events while relays are killed, then compares table and stream as sets and as sequences."""

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter, defaultdict

import msgspec
from redis.asyncio import Redis
from sqlalchemy import select

from outbox.events import record_event
from outbox.models import DomainEvent
from outbox.selectors import outbox_state
from qulab.db.engine import Database
from tests.outbox.helpers import published

AGGREGATES = 25
DEADLINE = 60.0  # seconds for any one thing that is waited for


class Report(msgspec.Struct):
    """Event ids. `inverted`: aggregates whose events are in the stream in another order than they were committed."""

    written: int
    kills: int
    kills_before_commit: int
    lost: list[str]
    doubled: list[str]
    inverted: list[str]
    still_pending: int

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.inverted or self.still_pending)


class Harness:
    """One producer, two relays, and whoever kills them by a seeded schedule."""

    def __init__(self, database: Database, streams: Redis, redis_url: str, *, seed: int, without_mark: bool) -> None:
        self._database = database
        self._streams = streams
        self._random = random.Random(seed)
        self._flags = ["--without-mark"] if without_mark else []
        self._environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "qulab.settings",
            "DATABASE_URL": database.url.render_as_string(hide_password=False),
            "REDIS_URL": redis_url,
            "QULAB_OUTBOX_BATCH": "20",
        }
        self._committed: dict[str, list[str]] = defaultdict(list)
        self.kills_before_commit = 0
        self._deaths = 0
        self._over = False

    async def run(self, *, events: int, kills: int) -> Report:
        producer = asyncio.create_task(self._produce(events, share=events / kills))
        # Every second death is the worst one; the first of all, so that it is surely among them.
        deaths = asyncio.Queue[bool]()
        for number in range(kills):
            deaths.put_nowait(number % 2 == 0)
        try:
            await asyncio.gather(self._lives(deaths), self._lives(deaths))
        finally:
            self._over = True
            await producer  # not cancelled: a commit would be finished without being noted
        await self._write(events - self._written)
        await self._finish()
        return await self._compare(kills)

    @property
    def _written(self) -> int:
        return sum(map(len, self._committed.values()))

    async def _produce(self, events: int, *, share: float) -> None:
        """Small transactions at random times, a share for each death, so that every relay finds work to die at."""
        while self._written < events and not self._over:
            if self._written < (self._deaths + 2) * share:
                await self._write(min(self._random.randint(1, 8), events - self._written))
            await asyncio.sleep(self._random.uniform(0, 0.02))

    async def _write(self, count: int) -> None:
        async with self._database.writing() as session:
            rows = []
            for _ in range(count):
                rows.append(
                    record_event(
                        session,
                        event_type="OrderChanged",
                        aggregate_type="Order",
                        aggregate_id=str(self._random.randrange(AGGREGATES)),
                        payload={},
                    )
                )
                await session.flush()
            await session.commit()
        for row in rows:
            self._committed[row.aggregate_id].append(row.id)

    async def _lives(self, deaths: "asyncio.Queue[bool]") -> None:
        """One relay after another, each killed."""
        while not deaths.empty():
            before_commit = deaths.get_nowait()
            self.kills_before_commit += before_commit
            flags = ["--die-at-settle", str(self._random.randint(1, 3))] if before_commit else []
            process = await self._spawn(*flags)
            try:
                async with asyncio.timeout(DEADLINE):
                    assert process.stdout is not None
                    assert await process.stdout.readline() == b"relaying\n"
                    if not before_commit:
                        await asyncio.sleep(self._random.uniform(0, 0.3))
                        process.send_signal(signal.SIGKILL)
                    assert await process.wait() == -signal.SIGKILL
                self._deaths += 1
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()

    async def _spawn(self, *flags: str) -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", "tests.chaos.relay_process", *flags, *self._flags]
        return await asyncio.create_subprocess_exec(*command, env=self._environment, stdout=asyncio.subprocess.PIPE)

    async def _finish(self) -> None:
        """The last relay lives until nothing is pending. A killed one's lock goes with its connection."""
        process = await self._spawn()
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline and await self._pending():
            await asyncio.sleep(0.02)
        process.kill()
        await process.wait()

    async def _pending(self) -> int:
        async with self._database.reading() as session:
            return (await outbox_state(session)).pending

    async def _compare(self, kills: int) -> Report:
        envelopes = await published(self._streams)
        times = Counter(envelope.id for envelope in envelopes)
        entered: dict[str, list[str]] = defaultdict(list)
        for envelope in envelopes:
            if envelope.id not in entered[envelope.subject]:
                entered[envelope.subject].append(envelope.id)
        async with self._database.reading() as session:
            stored = set(await session.scalars(select(DomainEvent.id)))
        written = {id_ for ids in self._committed.values() for id_ in ids}
        assert written == stored, "the producer and the table disagree: the harness itself is wrong"
        return Report(
            written=len(written),
            kills=kills,
            kills_before_commit=self.kills_before_commit,
            lost=sorted(written - set(times)),
            doubled=sorted(id_ for id_, number in times.items() if number > 1),
            inverted=sorted(name for name, ids in self._committed.items() if entered[name] != ids),
            still_pending=await self._pending(),
        )
