"""Processes of readers on loopback; none outlives its block, and none is waited for longer than its patience."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
from django.conf import settings
from django.core.management.base import CommandError

from qulab.lab.experiments.cache_reader import Answer, Order

STARTING = 60.0  # seconds beyond its patience that a process may take: at first it imports


class ReaderFailed(CommandError):
    """A process of readers ended, or did not answer: what it says stands above."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Readers:
    def __init__(self, processes: Sequence[Process]) -> None:
        self._processes = processes

    @property
    def count(self) -> int:
        return len(self._processes)

    async def all(self, order: Order) -> list[Answer]:
        """Every process carries it out, at the same time. Raises ReaderFailed."""
        return await asyncio.gather(*(self.one(number, order) for number in range(self.count)))

    async def one(self, number: int, order: Order) -> Answer:
        process = self._processes[number]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        try:
            async with asyncio.timeout(STARTING + 2 * order.patience):
                line = await process.stdout.readline()
        except TimeoutError as late:
            raise ReaderFailed from late
        if not line:
            raise ReaderFailed
        return msgspec.json.decode(line, type=Answer)


@asynccontextmanager
async def readers(count: int) -> AsyncIterator[Readers]:
    processes: list[Process] = []
    try:
        for _ in range(count):
            processes.append(await _start())
        yield Readers(processes)
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
        await asyncio.gather(*(process.communicate() for process in processes))


async def _start() -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "qulab.lab.experiments.cache_reader",
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "qulab.settings")},
        stdin=PIPE,
        stdout=PIPE,
        limit=2**20,  # bytes of one line
    )
