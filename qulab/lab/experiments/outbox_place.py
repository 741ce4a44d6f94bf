"""The parts of `bench outbox` work one after the other in scratch databases of their own, and under one claim on Redis.

Each part begins with tables that are as the migrations leave them: what one has written is no burden to the next.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
from django.conf import settings
from msgspec import Meta
from redis.asyncio import Redis
from sqlalchemy import text

from qulab.db.engine import Database
from qulab.lab.experiments import Bench, Progress
from qulab.lab.experiments.claim import also
from qulab.lab.experiments.http_peers import environment
from qulab.lab.experiments.outbox_setting import OutboxParameters, Setting
from qulab.lab.experiments.processes.children import Kind

LONGEST = 3600  # seconds: a bound that nothing reaches


class OutboxBenchParameters(msgspec.Struct, frozen=True, kw_only=True):
    rounds: Annotated[int, Meta(ge=1, le=20, description="measured rounds of everything")] = 3
    events: Annotated[int, Meta(ge=1, le=100_000, description="events in each drain by processes")] = 4000
    relays: Annotated[int, Meta(ge=1, le=8, description="relays that drain at once, each a process")] = 3
    peers: Annotated[bool, Meta(description="drain beside other libraries, too")] = False
    counted: Annotated[int, Meta(ge=1, le=50_000, description="events written and drained with all counted")] = 2000
    per_commit: Annotated[int, Meta(ge=1, le=500, description="of these, events in one transaction")] = 10
    timed: Annotated[int, Meta(ge=1, le=2000, description="events whose latency is taken in each round")] = 80
    rate: Annotated[int, Meta(ge=1, le=500, description="of these, events a second")] = 40
    producers: Annotated[int, Meta(ge=1, le=64, description="tasks that write at once, in two processes")] = 8
    writers: Annotated[int, Meta(ge=1, le=16, description="processes that write beside a relay, on SQLite")] = 4
    seconds: Annotated[float, Meta(ge=0.1, le=60, description="seconds of each load of writers")] = 1.0
    published: Annotated[int, Meta(ge=0, le=2_000_000, description="published rows under an empty tick")] = 10_000
    waiting: Annotated[int, Meta(ge=1, le=100_000, description="events that wait behind a dead letter")] = 1000


class Steps:
    """Progress in steps of about a second, whose number is known when the parts are."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._done, self._total = 0, total

    def step(self) -> None:
        self._done += 1
        self._progress(min(self._done, self._total), self._total)

    def end(self) -> None:
        self._progress(self._total, self._total)


class Place(msgspec.Struct, frozen=True):
    """What the parts share. `commands` counts what `streams` sends, `raw` answers in bytes, `folder` is for logs."""

    parameters: OutboxBenchParameters
    bench: Bench
    streams: Redis
    raw: Redis
    commands: Counter[str]
    steps: Steps
    folder: Path

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[Setting]:
        """A migrated database with nothing in it, and names for its events, whose keys go at the end."""
        given = self.parameters
        own = OutboxParameters(
            events=given.counted,
            per_commit=given.per_commit,
            timed=given.timed,
            rate=given.rate,
            repeats=given.rounds,
            seconds=LONGEST,
        )
        async with self.bench.migrated() as database:
            setting = Setting(database, self.streams, self.commands, own, lambda _done, _total: None)
            await also(self.streams, await setting.names())
            yield setting

    async def kind(self, name: str, worker: str, setting: Setting, *, pool_size: int = 2, **given: Any) -> Kind:
        """A process of the product on the scratch places."""
        return Kind(
            name=name,
            module=f"qulab.lab.experiments.processes.{worker}",
            given={"redis": settings.REDIS_SCRATCH_URL, **given},
            environment=await reached(setting.database, pool_size),
        )


async def reached(database: Database, pool_size: int) -> Mapping[str, str]:
    """How another process reaches a scratch database."""
    return {
        **environment(database.url, await schema_of(database), pool_size=pool_size, max_overflow=2),
        "DJANGO_SETTINGS_MODULE": "qulab.settings",
    }


async def schema_of(database: Database) -> str | None:
    """Where on its server a scratch database is; None for a file."""
    if database.dialect == "sqlite":
        return None
    async with database.reading() as session:
        return str(await session.scalar(text("SELECT current_schema()")))
