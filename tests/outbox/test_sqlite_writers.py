"""Four processes write beside a relay in a fifth, on SQLite, which has one writer at a time.

On SQLite only: PostgreSQL locks rows, and writers never wait for the relay.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select

from outbox.models import DomainEvent, Status
from outbox.relay import Relay
from qulab.db import migrate
from qulab.db.engine import Database, open_database
from qulab.lab.experiments.processes.children import Child, Kind, children

WRITERS = 4
SECONDS = 3.0  # of writing
SLOW = 100.0  # milliseconds that each answer of Redis is delayed by, where it is


@pytest.fixture
async def file(sqlite_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite+aiosqlite:///{sqlite_path}") as database:
        await migrate.upgrade(database)
        yield database


def kind(name: str, module: str, file: Database, redis_url: str) -> Kind:
    environment = {
        "DATABASE_URL": file.url.render_as_string(hide_password=False),
        "DJANGO_SETTINGS_MODULE": "qulab.settings",
    }
    return Kind(name, module, {"redis": redis_url}, environment)


def writers(file: Database, redis_url: str) -> list[Kind]:
    module = "qulab.lab.experiments.processes.producer"
    return [kind(f"writer {number}", module, file, redis_url) for number in range(WRITERS)]


async def write_beside(relay: Child, producers: list[Child], seconds: float) -> tuple[list[Any], Any]:
    """What each writer and the relay tell."""
    holding = asyncio.create_task(relay.ask("hold"))
    given = {"tasks": 1, "seconds": seconds, "events": True, "aggregate_type": "User"}
    told = await asyncio.gather(*(one.ask("produce", **given) for one in producers))
    relay.stop()
    return told, await holding


class TestWriters:
    async def test_nobody_is_told_that_the_database_is_locked_and_each_event_enters_its_stream_once(
        self, file: Database, streams_client: Redis, redis_url: str, tmp_path: Path
    ) -> None:
        kinds = [kind("relay", "qulab.lab.experiments.processes.relay", file, redis_url), *writers(file, redis_url)]

        async with children(kinds, tmp_path) as (relay, *producers):
            told, held = await write_beside(relay, producers, SECONDS)
        await Relay(file, streams_client).drain()

        assert [one["locked"] for one in [*told, held]] == [0] * (WRITERS + 1)
        assert min(one["commits"] for one in told) > 0  # none starves
        assert held["moved"] > 0
        assert await streams_client.xlen("events:User") == sum(one["commits"] for one in told)
        async with file.reading() as session:
            left = select(func.count(DomainEvent.id)).where(DomainEvent.status != Status.PUBLISHED)
            assert await session.scalar(left) == 0

    async def test_the_write_lock_is_never_held_across_redis(
        self, file: Database, redis_url: str, tmp_path: Path
    ) -> None:
        """Each answer of Redis takes longer than any hold."""
        kinds = [kind("relay", "tests.outbox.slow_redis", file, redis_url), *writers(file, redis_url)]

        async with children(kinds, tmp_path) as (relay, *producers):
            _told, held = await write_beside(relay, producers, SECONDS)

        assert held["moved"] > 0
        assert len(held["holds"]) > 3
        assert sorted(held["holds"])[len(held["holds"]) // 2] < SLOW
