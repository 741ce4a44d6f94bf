"""The embedded servers: what they promise to the lab and to every other test."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from qulab.local import ServiceError, start_postgres, start_redis
from qulab.local.redis_server import find_redis, free_port

from .running import PROJECT, environment, eventually

STARTER = """
import sys, time
from pathlib import Path
from qulab.local import start_postgres, start_redis
folder = Path(sys.argv[1])
print(start_redis(folder / "redis").pid, start_postgres(folder / "postgres").pid, flush=True)
time.sleep(60)
"""


class TestRedis:
    def test_keeps_its_data_through_a_restart_and_evicts_nothing(self, folder: Path) -> None:
        with start_redis(folder) as server, redis.Redis.from_url(server.url) as client:
            client.set("kept", "yes")
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}

        with start_redis(folder, port=server.port) as again, redis.Redis.from_url(again.url) as client:
            assert client.get("kept") == b"yes"

    def test_survives_kill_without_loss_of_what_was_written_a_second_before(self, folder: Path) -> None:
        server = start_redis(folder)
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "yes")
            # What everysec promises, without the wait for the second.
            eventually(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0, within=3, what=lambda: "fsync")
        os.kill(server.pid, signal.SIGKILL)
        server.stop()

        with start_redis(folder) as again, redis.Redis.from_url(again.url) as client:
            assert client.get("kept") == b"yes"

    def test_listens_on_loopback_only(self, folder: Path) -> None:
        with start_redis(folder) as server:
            listening = psutil.Process(server.pid).net_connections()

        assert {connection.laddr.ip for connection in listening if connection.status == "LISTEN"} == {"127.0.0.1"}

    def test_says_that_a_port_is_taken(self, folder: Path) -> None:
        with start_redis(folder / "one") as server, pytest.raises(ServiceError, match=str(server.port)):
            start_redis(folder / "two", port=server.port)

    def test_prefers_a_server_on_the_path(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        server = folder / "redis-server"
        server.write_text("#!/bin/sh\n")
        server.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

        assert find_redis() == str(server)

    def test_without_any_server_is_emulated_and_says_so(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("qulab.local.redis_server.find_redis", lambda: None)

        with start_redis(folder) as server, redis.Redis.from_url(server.url) as client:
            assert server.emulated
            assert client.eval("return redis.call('incr', KEYS[1])", 1, "n") == 1


class TestPostgres:
    async def test_is_reached_through_its_socket_and_has_our_database(self, folder: Path) -> None:
        with start_postgres(folder) as server:
            engine = create_async_engine(server.url)
            async with engine.connect() as connection:
                row = (await connection.execute(text("SELECT current_database(), inet_server_addr()"))).one()
            await engine.dispose()

        assert tuple(row) == ("qulab", None)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    async def test_comes_back_after_it_was_killed(self, folder: Path) -> None:
        server = start_postgres(folder)
        os.kill(server.pid, signal.SIGKILL)
        server.stop()

        with start_postgres(folder) as again:
            engine = create_async_engine(again.url)
            async with engine.connect() as connection:
                assert await connection.scalar(text("SELECT 1")) == 1
            await engine.dispose()

    def test_takes_a_folder_whose_path_is_too_long_for_a_socket(self, folder: Path) -> None:
        with start_postgres(folder / ("long" * 30)) as server:
            sockets = server.sockets
            assert (sockets / ".s.PGSQL.5432").is_socket()

        assert not sockets.exists()

    def test_makes_a_half_made_cluster_again(self, folder: Path) -> None:
        (folder / "new").mkdir(parents=True)
        (folder / "new" / "PG_VERSION").write_text("18\n")

        with start_postgres(folder) as server:
            assert server.process.poll() is None


class TestGuard:
    def test_ends_the_servers_of_a_process_that_was_killed(self, folder: Path) -> None:
        folder.mkdir()
        starter = subprocess.Popen(
            [sys.executable, "-c", STARTER, str(folder)],
            cwd=PROJECT,
            env=environment(folder),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert starter.stdout is not None
        servers = [int(pid) for pid in starter.stdout.readline().split()]
        starter.kill()
        starter.communicate()

        assert len(servers) == 2
        eventually(lambda: not any(map(_runs, servers)), within=4, what=lambda: "both servers ended")


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_free_port_is_free(folder: Path) -> None:
    with start_redis(folder, port=free_port()) as server:
        assert server.url == f"redis://127.0.0.1:{server.port}/0"
