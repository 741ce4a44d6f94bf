"""A write is lost when it was acknowledged, its writer was killed, and the database has no such version or newer.

Writers are killed by SIGKILL at moments that the seed gives, the same for every strategy.
"""

import asyncio
import os
import random
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import msgspec
from django.conf import settings
from django.core.management.base import CommandError

from qulab.lab.experiments.cache_writer import Order, Said

SOONEST, LATEST = 0.1, 0.4  # seconds from a writer's first acknowledged write to its death
PATIENCE = 30.0  # seconds to wait for a word of the writer's


class Killed(msgspec.Struct, frozen=True):
    """Writes of one writer: how many were acknowledged, and how many of them the database lacks."""

    acknowledged: int
    lost: int


class WriterFailed(CommandError):
    """The writer's process ended before it was killed: what it says stands above."""


class Writers:
    """The process that forks writers."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def killed(self, order: Order, number: int) -> list[Said]:
        """Start a writer and kill it; what it had acknowledged by then."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        pid = (await self._heard()).pid
        assert pid, "a signal to 0 would reach this process and all of its group"
        try:
            return await self._acknowledged(pid, moment(order, number))
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def _acknowledged(self, pid: int, seconds: float) -> list[Said]:
        heard: list[Said] = []
        kills_at, killed = float("inf"), False
        while not (said := await self._heard()).is_dead:
            heard.append(said)
            kills_at = min(kills_at, time.monotonic() + seconds)
            if not killed and time.monotonic() >= kills_at:
                os.kill(pid, signal.SIGKILL)  # what it had said before is still to be heard
                killed = True
        if not killed:
            raise WriterFailed(WriterFailed.__doc__)
        return heard

    async def _heard(self) -> Said:
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        if not line:
            raise WriterFailed(WriterFailed.__doc__)
        return msgspec.json.decode(line, type=Said)


def moment(order: Order, number: int) -> float:
    """Seconds, by the seed: the same for all strategies."""
    chance = random.Random(f"{order.seed} {order.pattern} {number}")  # noqa: S311 - no secret
    return chance.uniform(SOONEST, LATEST)


@asynccontextmanager
async def writers() -> AsyncIterator[Writers]:
    """Ready to be killed one after the other. Without this process they would end with their next word."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "qulab.lab.experiments.cache_writer",
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "qulab.settings")},
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,  # so that it can be ended together with its forks
    )
    try:
        yield Writers(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


def lost(acknowledged: list[Said], stored: Mapping[str, int]) -> Killed:
    return Killed(len(acknowledged), sum(one.version > stored[one.id] for one in acknowledged))
