"""Throughput and waiting come from real sessions on a pool of a given size, sampled while it happens."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import event, text

from qulab.db.engine import Database
from qulab.db.session import Session
from qulab.lab.measure import quantile

TIME_LIMIT = 10.0  # seconds after which no further request begins
SAMPLE_EVERY = 0.004  # seconds
MOST_SAMPLES = 240  # kept for the chart


class PoolParameters(msgspec.Struct, frozen=True, kw_only=True):
    requests: Annotated[int, Meta(ge=1, le=500, description="requests in all")] = 200
    concurrency: Annotated[int, Meta(ge=1, le=100, description="requests at the same time")] = 50
    work_ms: Annotated[int, Meta(ge=0, le=50, description="milliseconds of database work in each")] = 20


class InUse(msgspec.Struct, frozen=True):
    """Connections in use at one moment, in milliseconds from the start."""

    at: float
    checked_out: int


class PoolResult(msgspec.Struct, frozen=True):
    """Times in milliseconds, throughput in requests a second. `hold_mean`: from getting to giving back.

    `in_use`: connections on average, over all samples.
    """

    finished: int
    asked: int
    seconds: float
    throughput: float
    wait_p50: float
    wait_p95: float
    wait_max: float
    peak: int
    size: int
    most: int
    dialect: str
    samples: list[InUse]
    failures: list[str]
    wait_p99: float = 0.0
    hold_mean: float = 0.0
    in_use: float = 0.0


class Load:
    """What the requests of one run share."""

    def __init__(self, parameters: PoolParameters, database: Database) -> None:
        self.parameters = parameters
        self.database = database
        self.began = time.perf_counter()
        self.waits: list[float] = []
        self.holds: list[float] = []
        self.samples: list[InUse] = []
        self.finished = 0
        self.failures: list[str] = []
        self._turns: Iterator[int] = iter(range(parameters.requests))

    async def serve(self) -> None:
        """One of the concurrent clients: takes request after request until none is left or the time is up."""
        for _ in self._turns:
            if time.perf_counter() - self.began > TIME_LIMIT:
                return
            try:
                await self.request()
                self.finished += 1
            except Exception as error:  # noqa: BLE001 - a failed request is a result of the experiment, and told
                self.failures.append(f"{type(error).__name__}: {error}"[:200])

    async def request(self) -> None:
        asked = time.perf_counter()
        async with self.database.reading() as session:
            await session.connection()
            lent = time.perf_counter()
            self.waits.append(1000 * (lent - asked))
            await work(session, self.database.dialect, self.parameters.work_ms)
        self.holds.append(1000 * (time.perf_counter() - lent))

    async def watch(self) -> None:
        while True:
            now = 1000 * (time.perf_counter() - self.began)
            self.samples.append(InUse(round(now, 1), self.database.pool_state().checked_out))
            await asyncio.sleep(SAMPLE_EVERY)


async def send(parameters: PoolParameters, database: Database) -> PoolResult:
    """Send the load through the pool of `database`."""
    load = Load(parameters, database)
    watcher = asyncio.create_task(load.watch())
    try:
        async with asyncio.TaskGroup() as clients:
            for _ in range(parameters.concurrency):
                clients.create_task(load.serve())
    finally:
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher
    return _result(load, time.perf_counter() - load.began)


def lend_once(database: Database) -> None:
    """Let each connection be lent once: the next request closes it and connects anew, within the same bounds."""

    @event.listens_for(database.engine.sync_engine, "checkin")
    def spoil(_connection: Any, record: Any) -> None:
        record.invalidate(soft=True)


async def work(session: Session, dialect: str, milliseconds: int) -> None:
    """Keep the database busy for that long, in one statement."""
    if dialect == "postgresql":
        await session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": milliseconds / 1000})
        return
    await _teach_to_sleep(session)
    await session.execute(text("SELECT lab_sleep(:seconds)"), {"seconds": milliseconds / 1000})


async def _teach_to_sleep(session: Session) -> None:
    """SQLite has no sleep: give the connection one, which sleeps in the connection's own thread."""
    connection = await session.connection()
    if not connection.sync_connection or "lab_sleep" in connection.sync_connection.info:
        return
    raw: Any = await connection.get_raw_connection()
    await raw.driver_connection.create_function("lab_sleep", 1, time.sleep)
    connection.sync_connection.info["lab_sleep"] = True


def _result(load: Load, seconds: float) -> PoolResult:
    state, waits = load.database.pool_state(), load.waits or [0.0]
    return PoolResult(
        finished=load.finished,
        asked=load.parameters.requests,
        seconds=seconds,
        throughput=load.finished / seconds,
        wait_p50=quantile(waits, 0.5),
        wait_p95=quantile(waits, 0.95),
        wait_max=max(waits),
        peak=max((sample.checked_out for sample in load.samples), default=0),
        size=state.size,
        most=state.size + state.max_overflow,
        dialect=load.database.dialect,
        samples=thinned(load.samples),
        failures=sorted(set(load.failures))[:3],
        wait_p99=quantile(waits, 0.99),
        hold_mean=statistics.fmean(load.holds or [0.0]),
        in_use=statistics.fmean([sample.checked_out for sample in load.samples] or [0.0]),
    )


def thinned(samples: list[InUse], most: int = MOST_SAMPLES) -> list[InUse]:
    """At most so many, keeping the highest of each stretch: a peak must not fall between two."""
    step = -(-len(samples) // most) or 1
    return [max(samples[i : i + step], key=lambda one: one.checked_out) for i in range(0, len(samples), step)]
