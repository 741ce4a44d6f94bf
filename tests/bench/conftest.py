"""Each experiment runs small, beside an application database and a Redis that must stay as they are."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from qulab.cache.client import create_redis
from qulab.db.engine import Database
from qulab.lab.experiments import Bench
from qulab.lab.experiments.claim import claimed
from qulab.lab.experiments.outbox_place import OutboxBenchParameters, Place, Steps
from qulab.lab.experiments.processes.children import SCRIPT
from qulab.lab.measure import count_commands
from qulab.lab.scratch import PREFIX
from tests.bench.contest import alone_in_the_ring, entrant, redis, url  # noqa: F401 - fixtures
from tests.conftest import TABLES

SMALL_OUTBOX = OutboxBenchParameters(
    rounds=1,
    events=60,
    relays=2,
    counted=60,
    per_commit=20,
    timed=5,
    rate=100,
    producers=2,
    writers=2,
    seconds=0.2,
    published=30,
    waiting=5,
)


@pytest.fixture
async def bench(database: Database) -> AsyncIterator[Bench]:
    async with Bench(database) as bench:
        yield bench


class Watched:
    """What a Progress was told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.told.append((done, total))

    @property
    def reached_its_total(self) -> bool:
        done, total = self.told[-1]
        return len(self.told) > 1 and done == total and all(done <= total for done, total in self.told)


@pytest.fixture
def progress() -> Watched:
    return Watched()


class Traces:
    """What is in the places of the application and in the scratch places, now."""

    def __init__(self, database: Database, redis_url: str) -> None:
        self._database = database
        self._redis = [_client(redis_url, number) for number in range(5)]

    async def close(self) -> None:
        for client in self._redis:
            await client.aclose()

    async def rows(self) -> dict[str, int]:
        async with self._database.reading() as session:
            counts = [await session.scalar(text(f"SELECT count(*) FROM {table}")) for table in TABLES]
            return dict(zip(TABLES, map(int, counts), strict=True))

    async def keys(self) -> dict[int, list[str]]:
        """By the number of the logical database, those without keys left out."""
        found = {number: sorted(await client.keys()) for number, client in enumerate(self._redis)}
        return {number: keys for number, keys in found.items() if keys}

    async def places(self) -> int:
        """Scratch files or schemas that are there."""
        if self._database.dialect == "sqlite":
            return len(list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")))
        async with self._database.reading() as session:
            schemas = text("SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE :prefix")
            return int(await session.scalar(schemas, {"prefix": f"{PREFIX}%"}) or 0)

    async def all(self) -> dict[str, Any]:
        return {"rows": await self.rows(), "keys": await self.keys(), "places": await self.places()}


def _client(redis_url: str, number: int) -> Redis:
    return create_redis(f"{redis_url.removesuffix('/0')}/{number}", timeout=5.0, text=True)


@pytest.fixture
async def traces(database: Database, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # so that no other test's scratch is counted
    traces = Traces(database, redis_url)
    yield traces
    await traces.close()


@pytest.fixture
async def place(bench: Bench, tmp_path: Path, progress: Watched) -> AsyncIterator[Place]:
    streams = bench.redis(text=True)
    commands = count_commands(streams)
    steps = Steps(progress, 100)
    async with claimed(streams, ["some"], seconds=60):
        yield Place(SMALL_OUTBOX, bench, streams, bench.redis(), commands, steps, tmp_path)


def children_running() -> list[int]:
    """Processes of experiments that this one, or one that it started, has running now."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if str(SCRIPT) in child.cmdline():
                found.append(child.pid)
        except psutil.Error:
            continue
    return found
