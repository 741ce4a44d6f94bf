"""Two thousand clients leave a served process at any moment; every connection to the database is back afterwards."""

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url

from qulab.db import migrate
from qulab.db.engine import create_database
from qulab.lean.handler import WATCH_AFTER
from qulab.local import PostgresServer, RedisServer
from qulab.local.redis_server import free_port

from .running import PROJECT, START_SECONDS, environment

REQUESTS, AT_ONCE = 2000, 30
POOL, OVERFLOW = 10, 4  # fewer than are at it at once, so that many leave while they wait
LONGEST = 200  # milliseconds that a view takes
SETTLED_WITHIN = 10.0
NAME = "leaving"

# From the sending of the request, in seconds: all at once, before the handler watches, as it begins to, and after.
MOMENTS = {
    "at once": (0.0, 0.002),
    "before": (0.002, WATCH_AFTER - 0.005),
    "as the watch begins": (WATCH_AFTER - 0.005, WATCH_AFTER + 0.01),
    "after": (WATCH_AFTER + 0.01, LONGEST / 1000),
    "never": (10.0, 10.0),
}


class Server:
    """uvicorn, as the README starts it, on a database of its own."""

    def __init__(self, url: str, redis_url: str, folder: Path) -> None:
        self.url = url
        self.port = free_port()
        self.log = folder / "uvicorn.log"
        settings = {
            "DJANGO_SETTINGS_MODULE": "tests.process.leaving_settings",
            "DATABASE_URL": url,
            "REDIS_URL": redis_url,
            "QULAB_DB_POOL_SIZE": str(POOL),
            "QULAB_DB_MAX_OVERFLOW": str(OVERFLOW),
        }
        command = [sys.executable, "-m", "uvicorn", "qulab.asgi:application", "--port", str(self.port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--no-access-log"],
                cwd=PROJECT,
                env=environment(folder, **settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    async def wait_until_it_answers(self) -> None:
        async with asyncio.timeout(START_SECONDS):
            while True:
                try:
                    await self.state()
                    return
                except OSError:
                    assert self.process.poll() is None, self.log.read_text()
                    await asyncio.sleep(0.1)

    async def state(self) -> dict[str, Any]:
        status, body = await Client(self.port).ask("GET", "/state")
        assert status == 200
        found: dict[str, Any] = json.loads(body)
        return found

    async def stop(self) -> None:
        self.process.terminate()
        try:
            await asyncio.to_thread(self.process.wait, 10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Client:
    """One request on a connection of its own."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, of_body: int | None = None, patience: float = 10.0
    ) -> tuple[int, bytes]:
        """Status and body; status 0 where patience ended first, with the connection reset. `of_body` bytes are sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            head = (
                f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
            )
            kind = "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
            writer.write(head.encode() + kind.encode() + body[:of_body])
            async with asyncio.timeout(patience):
                answer = await reader.read()
        except TimeoutError:
            return 0, b""
        finally:
            writer.transport.abort()
        head_of_answer, _, rest = answer.partition(b"\r\n\r\n")
        return int(head_of_answer.split()[1]), rest


@pytest.fixture
async def server(postgres_server: PostgresServer, redis_server: RedisServer, scratch: Path) -> AsyncIterator[Server]:
    await run_on(postgres_server.url, f"CREATE DATABASE {NAME}")
    url = postgres_server.url_of(NAME)
    database = create_database(url)
    await migrate.upgrade(database)
    await database.close()
    server = Server(url, redis_server.url, scratch)
    try:
        await server.wait_until_it_answers()
        yield server
    finally:
        await server.stop()
        await run_on(postgres_server.url, f"DROP DATABASE {NAME} WITH (FORCE)")


async def run_on(url: str, sql: str, *values: object) -> list[asyncpg.Record]:
    plain = make_url(url).set(drivername="postgresql")
    connection = await asyncpg.connect(plain.render_as_string(hide_password=False))
    try:
        return list(await connection.fetch(sql, *values))
    finally:
        await connection.close()


async def come_and_leave(port: int, chance: random.Random) -> tuple[str, str, int]:
    """One request: which view, the moment of leaving, and the status (0 for one who has left)."""
    view = chance.choice(["asks", "holds", "stores"])
    moment = chance.choice(list(MOMENTS))
    path, patience = f"/{view}/{chance.randrange(LONGEST)}", chance.uniform(*MOMENTS[moment])
    body = b"name=Somebody" if view == "stores" else b""
    # One in five of those who leave has not sent the whole body by then.
    part = chance.randrange(len(body)) if body and moment != "never" and chance.random() < 0.2 else None
    method = "POST" if body else "GET"
    status, _ = await Client(port).ask(method, path, body, of_body=part, patience=patience)
    return view, moment, status


async def settled(server: Server, postgres: str) -> tuple[dict[str, Any], Counter[str]]:
    """The state of the pool and of the database's connections when nothing runs any more, or at the deadline."""
    sql = "SELECT state FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'"
    deadline = asyncio.get_running_loop().time() + SETTLED_WITHIN
    while True:
        pool = (await server.state())["pool"]
        states = Counter(str(row["state"]) for row in await run_on(postgres, sql, NAME))
        quiet = pool["checked_out"] == 0 and set(states) <= {"idle"} and states["idle"] <= pool["idle"]
        if quiet or asyncio.get_running_loop().time() > deadline:
            return pool, states
        await asyncio.sleep(0.1)


async def test_two_thousand_clients_that_leave_at_any_moment_leak_no_connection(
    server: Server, postgres_server: PostgresServer
) -> None:
    chance, turns = random.Random(4), asyncio.Semaphore(AT_ONCE)

    async def one() -> tuple[str, str, int]:
        async with turns:
            return await come_and_leave(server.port, chance)

    results = await asyncio.gather(*(one() for _ in range(REQUESTS)))

    pool, states = await settled(server, postgres_server.url)
    assert pool["checked_out"] == 0
    assert set(states) <= {"idle"}  # none in a transaction, none still at a statement
    assert states["idle"] <= pool["idle"] <= POOL  # a place in the pool may have lost its connection

    # The process serves as before, through as many connections as it may open.
    answers = await asyncio.gather(*(Client(server.port).ask("GET", "/asks/50") for _ in range(POOL + OVERFLOW)))
    assert answers == [(200, b"asked")] * (POOL + OVERFLOW)

    # Who stayed was served, and what they were told is stored was stored.
    assert {status for _, moment, status in results if moment == "never"} == {200}
    told = sum(view == "stores" and status == 200 for view, _, status in results)
    database = make_url(server.url).render_as_string(hide_password=False)
    ((stored,),) = await run_on(database, "SELECT count(*) FROM users")
    assert stored >= told > 0

    # Not in vain: clients left at each of these points, and others stayed beyond it.
    ends = (await server.state())["ends"]
    assert all(ends[f"{what} {end}"] > 20 for what in ("waits", "asks", "holds") for end in ("cancelled", "finished"))
    assert ends["stores finished"] > 20
    log = server.log.read_text()
    assert [word for word in ("Traceback", "ERROR", "never retrieved", "garbage collector") if word in log] == []
