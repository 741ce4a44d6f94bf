"""Who is killed is replaced at once; who ends by anything but SIGKILL has a fault, and the run tells its last words."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from qulab.local.commands import with_environment
from qulab.local.spawn import end, last_line, spawn
from tests.chaos.nursery import Answer, Began, Start

MOST_CRASHES = 5  # of all processes; then something is wrong that more of them will not show
START_SECONDS = 60.0
END_SECONDS = 5.0
LAST_WORDS = 1500  # characters of a log


class Failed(Exception):
    """The run cannot go on. The message says what was waited for or what ended."""


class Member(msgspec.Struct):
    """A process that is kept alive. `pid` 0: it is being started."""

    name: str
    start: Start
    pid: int = 0
    said: int = 0  # bytes of its log before this life


class Crew:
    """The relays, producers and consumers of one run: children of one nursery, in its process group."""

    def __init__(self, folder: Path, project: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._project = project
        self._environment = environment
        self._members: dict[str, Member] = {}
        self._coming: deque[Member] = deque()
        self._nursery: subprocess.Popen[bytes] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ending = False
        self.crashes: list[str] = []

    async def begin(self) -> None:
        self._channel, theirs = socket.socketpair()
        with theirs, (self._folder / "nursery.log").open("ab") as log:
            command = (sys.executable, "-m", "tests.chaos.nursery", str(theirs.fileno()))
            self._nursery = spawn(
                with_environment(self._environment, command), output=log, cwd=self._project, keep=[theirs.fileno()]
            )
        reader, self._writer = await asyncio.open_connection(sock=self._channel)
        self._reading = asyncio.create_task(self._read(reader))

    async def until_begun(self) -> None:
        """Until every process has a pid: the nursery imports everything first. Raises Failed."""
        deadline = time.monotonic() + START_SECONDS
        while self._coming:
            self.check()
            if time.monotonic() > deadline:
                raise Failed(f"waited {START_SECONDS:.0f} s for the processes to be started, in vain")
            await asyncio.sleep(0.02)

    async def end(self) -> None:
        """End all of them, by force. Again, or before the beginning, it does nothing."""
        if self._ending or self._nursery is None:
            return
        self._ending = True
        self._channel.shutdown(socket.SHUT_RDWR)
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._nursery.wait, END_SECONDS)
        end(self._nursery, seconds=0)
        if self._reading is not None:
            await asyncio.wait([self._reading])
            self._writer.close()

    def add(self, name: str, role: str, *arguments: str) -> None:
        log = self._folder / f"{name}.log"
        member = Member(name, Start(role, ["--name", name, *arguments], str(log)))
        self._members[name] = member
        self._start(member)

    def pid(self, name: str) -> int:
        """0 while it is being started."""
        return self._members[name].pid

    def signal(self, name: str, number: signal.Signals) -> None:
        """To a process that has ended meanwhile it does nothing."""
        if pid := self._members[name].pid:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def check(self) -> None:
        """Raises Failed where going on would be of no use."""
        if self._nursery is None or self._nursery.poll() is not None:
            raise Failed(f"the processes could not be started: {last_line(self._folder / 'nursery.log')}")
        if len(self.crashes) >= MOST_CRASHES:
            raise Failed("it was given up")

    def _start(self, member: Member) -> None:
        member.pid = 0
        log = Path(member.start.log)
        member.said = log.stat().st_size if log.exists() else 0
        self._coming.append(member)
        self._writer.write(msgspec.json.encode(member.start) + b"\n")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        async for line in reader:
            answer = msgspec.json.decode(line, type=Answer)
            if isinstance(answer, Began):
                self._coming.popleft().pid = answer.pid
            elif member := next((m for m in self._members.values() if m.pid == answer.pid), None):
                self._replace(member, answer.code)

    def _replace(self, member: Member, code: int) -> None:
        if self._ending:
            return
        if code != -signal.SIGKILL:  # that is what the harness uses
            self.crashes.append(f"{member.name} ended with code {code}: {self._last_words(member)}")
        if len(self.crashes) < MOST_CRASHES:
            self._start(member)

    def _last_words(self, member: Member) -> str:
        with Path(member.start.log).open("rb") as log:
            log.seek(member.said)
            return log.read().decode(errors="replace")[-LAST_WORDS:].strip()
