"""Real prefork children on PostgreSQL: SQLite has no server that could count connections or keep an orphan query."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis
from celery import Celery
from sqlalchemy import make_url

from qulab.local import PostgresServer, start_redis
from tests.process.worker_tasks import FINISHED, SLEEPS

from .running import PROJECT, environment

CHILDREN, POOL = 2, 2
TASKS = 1000


class Worker:
    """A Celery worker on a database of its own."""

    def __init__(self, postgres_url: str, redis_url: str, folder: Path) -> None:
        self.url = postgres_url
        self.redis = redis.Redis.from_url(redis_url)
        self._broker = f"{redis_url.removesuffix('/0')}/2"
        self._log = (folder / "worker.log").open("wb")
        settings = {
            "DATABASE_URL": postgres_url,
            "REDIS_URL": redis_url,
            "QULAB_DB_POOL_SIZE": str(POOL),
            "QULAB_DB_MAX_OVERFLOW": "0",
        }
        command = [sys.executable, "-m", "celery", "-A", "tests.process.worker_tasks", "worker"]
        self.process = subprocess.Popen(
            [*command, "-Q", "lab", "-c", str(CHILDREN), "--without-mingle", "--without-gossip"],
            cwd=PROJECT,
            env=environment(folder, **settings),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def send(self, task: str, count: int = 1) -> None:
        with Celery(broker=self._broker) as app:
            for _ in range(count):
                app.send_task(task, queue="lab")

    def finished(self) -> int:
        return int(self.redis.get(FINISHED) or 0)  # type: ignore[arg-type]

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()
        self.redis.close()


@pytest.fixture(scope="module")
async def worker_database(postgres_server: PostgresServer) -> str:
    url = make_url(postgres_server.url).set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    await connection.execute("DROP DATABASE IF EXISTS worker_test")
    await connection.execute("CREATE DATABASE worker_test")
    await connection.close()
    return url.set(database="worker_test").render_as_string(hide_password=False)


@pytest.fixture
def worker(worker_database: str, scratch: Path, folder: Path) -> Iterator[Worker]:
    folder.mkdir(parents=True)
    with start_redis(folder / "redis") as server:
        started = Worker(worker_database, server.url, folder)
        yield started
        started.close()


async def activity(url: str) -> list[Any]:
    """The connections of others to this database, and what each is doing."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()
    return list(rows)


async def until(read: Any, within: float, what: str) -> Any:
    import asyncio
    import time

    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if value := await read():
            return value
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {within} s: {what}")


class TestConnections:
    async def test_a_thousand_tasks_use_no_more_than_the_pools_of_the_children(self, worker: Worker) -> None:
        most = 0
        worker.send("tests.read", TASKS)

        async def all_done() -> bool:
            nonlocal most
            most = max(most, len(await activity(worker.url)))
            return worker.finished() == TASKS

        await until(all_done, 60, f"{TASKS} tasks finished")

        assert 0 < most <= CHILDREN * POOL


class TestSoftTimeLimit:
    async def test_stops_the_statement_and_the_child_works_on(self, worker: Worker) -> None:
        async def sleeping() -> list[Any]:
            return [row for row in await activity(worker.url) if row["query"] == SLEEPS and row["state"] == "active"]

        async def nobody_sleeps() -> bool:
            return not await sleeping()

        async def next_one_is_done() -> bool:
            return worker.finished() == CHILDREN * 5

        worker.send("tests.sleep", CHILDREN)
        await until(sleeping, 30, "a task sleeps in the database")
        await until(nobody_sleeps, 10, "the statement was cancelled in the database")

        worker.send("tests.read", CHILDREN * 5)
        await until(next_one_is_done, 10, "later tasks finished in the same children")

        states = [row["state"] for row in await activity(worker.url)]
        assert "idle in transaction" not in " ".join(states)
        assert len(states) <= CHILDREN * POOL
