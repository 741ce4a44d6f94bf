"""One run's servers, processes and folder, and the waiting: every wait has a deadline and a name."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self, TypeVar

from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

from outbox.positions import PartitionRepository
from qulab.cache.client import create_redis, streams
from qulab.db import migrate
from qulab.db.engine import Database, create_database
from qulab.db.loop import raise_if_cancelled
from tests.chaos.crew import Crew, Failed
from tests.chaos.notes import Intended, Notes, Progress, read_notes
from tests.chaos.observer import Observer
from tests.chaos.orders import Orders
from tests.chaos.plan import Plan
from tests.chaos.servers import Servers
from tests.chaos.tables import make_tables
from tests.chaos.writer import Writer

BATCH = 20  # events in one pass: small, so that there are many passes to die in
MOST_ATTEMPTS = 2  # so that poison is dead soon, but not at once: it waits once for its next attempt
LOOK_EVERY = 0.02  # seconds

Seen = TypeVar("Seen")


class Scene:
    """Opened once, with `async with`; at its end nothing of it runs any more."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.orders = Orders(folder / "orders")
        self.servers: Servers
        self.crew: Crew
        self.observer: Observer
        self.streams: Redis
        self.relays = [f"relay-{number}" for number in range(plan.relays)]
        self.producers = [f"producer-{number}" for number in range(plan.producers)]
        self.consumers = [f"consumer-{number}" for number in range(plan.consumers)]
        self.overtaken_file = folder / "overtaken"
        self._progress = [Progress(self._notes_of(name)) for name in self.producers]

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def note_files(self) -> list[Path]:
        return sorted(self.folder.glob("*.notes"))

    @property
    def written(self) -> int:
        """Events of the producers; poison is the harness' own."""
        return sum(progress.look() for progress in self._progress)

    @property
    def poison(self) -> set[str]:
        """Ids of the events that cannot be published. Only the harness itself writes them."""
        notes = read_notes(self.folder / "harness.notes")
        return {event.id for note in notes if isinstance(note, Intended) for event in note.events}

    @property
    def overtaken(self) -> int:
        return self.overtaken_file.stat().st_size if self.overtaken_file.exists() else 0

    def allow(self, events: int) -> None:
        """Let the producers write up to so many events in all."""
        self.orders.allowed = min(max(events, self.orders.allowed), self.plan.events)

    async def until(
        self,
        what: str,
        holds: Callable[[], Awaitable[bool]],
        *,
        progress: Callable[[], Awaitable[Seen]] | None = None,
        meanwhile: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """Wait. Raises Failed when nothing changes for the plan's patience; without `progress` that is all the time."""
        last: Seen | None = None
        deadline = time.monotonic() + self.plan.patience
        while not await holds():
            raise_if_cancelled()  # the client of Redis may have lost it
            self.crew.check()
            if progress is not None and (seen := await progress()) != last:
                last, deadline = seen, time.monotonic() + self.plan.patience
            if time.monotonic() > deadline:
                raise Failed(f"waited {self.plan.patience:.0f} s for {what}, in vain")
            if meanwhile is not None:
                await meanwhile()
            await asyncio.sleep(LOOK_EVERY)

    async def of_redis(self, question: Callable[[Redis], Awaitable[Seen]]) -> Seen:
        """Ask Redis until it answers: its connections die with it."""
        deadline = time.monotonic() + self.plan.patience
        while True:
            raise_if_cancelled()
            try:
                return await question(self.streams)
            except RedisError as error:
                if time.monotonic() > deadline:
                    raise Failed(f"Redis gave no answer for {self.plan.patience:.0f} s: {error}") from error
            await asyncio.sleep(LOOK_EVERY)

    async def _open(self, stack: AsyncExitStack) -> None:
        self.servers = Servers(self.folder, self.plan.database)
        stack.callback(self.servers.stop)
        self.database: Database = create_database(self.servers.database_url, pool_size=2, max_overflow=2)
        stack.push_async_callback(self.database.close)
        await migrate.upgrade(self.database)
        async with self.database.writing() as session:
            # Before anything is pending: then relays refuse another number of partitions, as they should.
            await PartitionRepository(session).resize(self.plan.partitions)
            await session.commit()
        await make_tables(self.database, self.plan.aggregates)
        self.observer = Observer(self.database)
        self.streams = create_redis(self.servers.redis_url, timeout=5.0, text=True)
        stack.push_async_callback(self.streams.aclose)
        stack.callback(streams.lend, streams.lend(self.streams))  # where a commit of ours leaves its hint
        self.writer = Writer(self.database, Notes(self.folder / "harness.notes"), count=self.plan.aggregates)
        self.crew = Crew(self.folder, settings.BASE_DIR, self._environment())
        stack.push_async_callback(self.crew.end)
        await self.crew.begin()
        self._add_members()

    def _add_members(self) -> None:
        plan, orders = self.plan, ("--orders", str(self.folder / "orders"))
        without_inbox = [flag for flag in plan.mutations if flag == "without-inbox"]
        of_relays = [f"--{flag}" for flag in plan.mutations if flag not in without_inbox]
        for name in self.relays:
            self.crew.add(name, "relay", *orders, "--overtaken", str(self.overtaken_file), *of_relays)
        for name in self.consumers:
            self.crew.add(name, "consumer", *orders, *(f"--{flag}" for flag in without_inbox))
        for number, name in enumerate(self.producers):
            of = ("--number", str(number), "--of", str(plan.producers), "--aggregates", str(plan.aggregates))
            self.crew.add(name, "producer", *orders, "--notes", str(self._notes_of(name)), *of)

    def _notes_of(self, name: str) -> Path:
        return self.folder / f"{name}.notes"

    def _environment(self) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "qulab.settings",
            "DATABASE_URL": self.servers.database_url,
            "REDIS_URL": self.servers.redis_url,
            "QULAB_DATA_DIR": str(self.folder),
            "QULAB_DB_POOL_SIZE": "4",
            "QULAB_OUTBOX_BATCH": str(BATCH),
            "QULAB_OUTBOX_MAX_ATTEMPTS": str(MOST_ATTEMPTS),
            "QULAB_OUTBOX_PARTITIONS": str(self.plan.partitions),
        }
