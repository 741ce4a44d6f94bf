"""Each server is a process of its own on a free port of loopback, with the same uvicorn; none outlives its block."""

import asyncio
import os
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import CommandError

from qulab.lab.experiments.http_peers import Peer

SCRIPT = Path(__file__).with_name("http_server.py")
SAME_FOR_ALL = ("--host=127.0.0.1", "--workers=1", "--loop=asyncio", "--http=h11")
QUIET = ("--no-access-log", "--log-level=warning")
STARTING = 60.0  # seconds that a server may take to its first answer
ANSWERING = 10.0  # seconds for one answer
ENDING = 1.0  # seconds between SIGTERM and SIGKILL
LOG_LINES = 5  # of a server that failed, to tell why


class ServerFailed(CommandError):
    """A server did not start, or did not answer as it must."""


class Server(msgspec.Struct, frozen=True):
    name: str
    port: int
    log: Path
    process: Process

    def cpu_seconds(self) -> float | None:
        """User and system time since its start; None where neither /proc nor psutil tells."""
        return cpu_seconds(self.process.pid)

    def failed(self, what: str) -> ServerFailed:
        told = self.log.read_text(errors="replace").strip().splitlines()[-LOG_LINES:]
        return ServerFailed("\n".join([f"{self.name} {what}.", *(f"    {line}" for line in told)]))


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes


@asynccontextmanager
async def serving(peers: Sequence[Peer], environment: Mapping[str, str], folder: Path) -> AsyncIterator[list[Server]]:
    """Each peer, started and answering. `folder` gets their logs. Raises ServerFailed."""
    servers: list[Server] = []
    try:
        for number, (peer, port) in enumerate(zip(peers, free_ports(len(peers)), strict=True)):
            servers.append(await _start(peer, port, environment, folder / f"{number}.log"))
        for server in servers:
            await _until_it_answers(server)
        yield servers
    finally:
        await _end([server.process for server in servers])


async def _start(peer: Peer, port: int, environment: Mapping[str, str], log: Path) -> Server:
    options = ["--port", str(port), "--app-dir", str(settings.BASE_DIR), *SAME_FOR_ALL, *QUIET]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the folder of the script holds modules with names of the standard library's
            str(SCRIPT),
            *options,
            peer.application,
            env={**os.environ, **environment, **peer.environment},
            stdin=PIPE,
            stdout=output,
            stderr=STDOUT,
        )
    return Server(peer.name, port, log, process)


async def _until_it_answers(server: Server) -> None:
    deadline = time.monotonic() + STARTING
    while True:
        with suppress(OSError):
            await ask(server, "/plain")
            return
        if server.process.returncode is not None:
            raise server.failed(f"ended with code {server.process.returncode} before it answered")
        if time.monotonic() > deadline:
            raise server.failed(f"did not answer within {STARTING:g} s")
        await asyncio.sleep(0.05)


async def _end(processes: Sequence[Process]) -> None:
    for process in processes:
        if process.returncode is None:
            process.terminate()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDING):
                await asyncio.gather(*(process.wait() for process in processes))
    finally:  # also when this is cancelled in its turn
        for process in processes:
            if process.returncode is None:
                process.kill()
        await asyncio.gather(*(process.wait() for process in processes))


async def ask(server: Server, address: str) -> Answer:
    """One answer, on a connection of its own. Raises OSError while nobody listens, or where nothing comes."""
    async with asyncio.timeout(ANSWERING):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            writer.write(f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        finally:
            writer.close()
    if not head:
        raise ConnectionResetError(f"{server.name} closed the connection without an answer")
    return Answer(int(head.split(None, 2)[1]), body)


async def run_script(script: Path, *arguments: object) -> bytes:
    """What a script of the standard library alone prints. Raises ServerFailed with what it says where it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", str(script), *map(str, arguments), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    try:
        out, errors = await process.communicate()
    finally:
        await _end([process])
    if process.returncode != 0:
        raise ServerFailed(errors.decode(errors="replace").strip().splitlines()[-1])
    return out


def free_ports(count: int) -> list[int]:
    """Ports on which nobody listens now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def cpu_seconds(pid: int) -> float | None:
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime
    if find_spec("psutil") is None:
        return None
    psutil: Any = import_module("psutil")
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
