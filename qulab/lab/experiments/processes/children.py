"""Children are started and ready before any clock runs; none outlives its block, or its starter if that is killed."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import CommandError

SCRIPT = Path(__file__).with_name("child.py")
LOG_LINES = 5  # of a child that failed, to tell why
LONGEST_ANSWER = 2**26  # bytes
_numbers = count(1)  # of logs


class ChildFailed(CommandError):
    """A process of the comparison ended before it had answered."""


class Kind(msgspec.Struct, frozen=True):
    """What a child is: the module of its Worker, what that is made with, and the environment it gets."""

    name: str
    module: str
    given: Mapping[str, Any] = {}
    environment: Mapping[str, str] = {}


class Child:
    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    async def ask(self, method: str, **given: Any) -> Any:
        """What the Worker's method returns. Raises ChildFailed."""
        self._send(msgspec.json.encode([method, given]))
        assert self._process.stdout is not None
        if line := await self._process.stdout.readline():
            return msgspec.json.decode(line)
        code = await self._process.wait()
        told = self._log.read_text(errors="replace").strip().splitlines()[-LOG_LINES:]
        what = f"{self.name} ended with code {code} before it had answered to {method!r}."
        raise ChildFailed("\n".join([what, *(f"    {line}" for line in told)]))

    def stop(self) -> None:
        """Ask the method that runs to come to its end; it answers all the same."""
        self._send(b"stop")

    def _send(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")  # one that is dead is told when its answer is missing

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()  # it has nothing to save
        await self._process.wait()


@asynccontextmanager
async def children(kinds: Sequence[Kind], folder: Path) -> AsyncIterator[list[Child]]:
    """One process for each kind, each ready. `folder` gets what they say. Raises ChildFailed."""
    started: list[Child] = []
    try:
        for kind in kinds:
            started.append(await _start(kind, folder / f"{next(_numbers)}.log"))
        await asyncio.gather(*(child.ask("open") for child in started))
        yield started
    finally:
        await asyncio.gather(*(child.kill() for child in started))


async def _start(kind: Kind, log: Path) -> Child:
    path = os.pathsep.join(filter(None, [str(settings.BASE_DIR), os.environ.get("PYTHONPATH")]))
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the folders of this package hold modules with names of the standard library's
            str(SCRIPT),
            kind.module,
            env={**os.environ, "PYTHONPATH": path, **kind.environment},
            stdin=PIPE,
            stdout=PIPE,
            stderr=output,
            limit=LONGEST_ANSWER,
            start_new_session=True,  # Ctrl-C is for the starter, who ends them
        )
    child = Child(kind.name, process, log)
    child._send(msgspec.json.encode(kind.given))
    return child
