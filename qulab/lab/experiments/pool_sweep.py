"""Every size is loaded by a pool of its own, filled before the clock runs; sizes and ways take turns.

Little's law says L = Θ × W for whatever is measured. The line drawn takes W, the time that a request holds its
connection, from the smallest pool, and supposes that it stays so: where the dots leave the line, W has grown.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from qulab.db.engine import Database, open_database
from qulab.lab.experiments import Bench, Experiment, Progress, Table, alone, unseen
from qulab.lab.experiments.pool import InUse, PoolParameters, PoolResult, lend_once, send, thinned
from qulab.lab.experiments.tables import figure, range_of
from qulab.lab.measure import Spread, spread

TIME_LIMIT = 9.0  # seconds after which no further repeat begins
LADDER = (1, 2, 4, 8, 12, 16, 24, 32)
NEARLY = 0.9  # of the most throughput: the first size that reaches it is the knee
MOST_POINTS = 80  # of connections over time, for each size
POOL, EACH_TIME = "pool", "connect each time"


class SweepParameters(msgspec.Struct, frozen=True, kw_only=True):
    size: Annotated[int, Meta(ge=1, le=32, description="largest pool")] = 16
    overflow: Annotated[int, Meta(ge=0, le=16, description="connections beyond the size, for a while")] = 0
    concurrency: Annotated[int, Meta(ge=1, le=64, description="requests at the same time")] = 12
    requests: Annotated[int, Meta(ge=1, le=400, description="requests in a reading of the largest pool")] = 100
    work_ms: Annotated[int, Meta(ge=0, le=20, description="milliseconds of database work in each")] = 10
    repeats: Annotated[int, Meta(ge=1, le=5, description="measured rounds")] = 3
    each_time: Annotated[bool, Meta(description="also connect anew for each request")] = True

    @property
    def sizes(self) -> list[int]:
        return [size for size in LADDER if size < self.size] + [self.size]

    def busy(self, size: int) -> int:
        """Connections of such a pool that can be in use at once: no more than there are requests."""
        return min(size + self.overflow, self.concurrency)

    def requests_for(self, size: int) -> int:
        """Fewer for small pools, so that each reading takes about as long; enough that all wait in line once."""
        share = self.requests * self.busy(size) / self.busy(self.size)
        return min(self.requests, max(round(share), 2 * self.concurrency))


class Step(msgspec.Struct, frozen=True):
    """One size of the pool. Throughput in requests a second, times in milliseconds; `most` is N_max.

    `hold`: W, from getting a connection to giving it back; `in_use`: connections on average, as sampled.
    """

    size: int
    most: int
    requests: int
    throughput: Spread
    wait_p50: Spread
    wait_p95: Spread
    hold: Spread
    in_use: Spread
    peak: int
    failed: int
    over_time: list[InUse]
    finished: int = 0  # requests of the round whose throughput is shown, and its seconds; 0 in older runs
    seconds: float = 0.0


class Way(msgspec.Struct, frozen=True):
    name: str
    steps: list[Step]

    @property
    def failed(self) -> int:
        return sum(step.failed for step in self.steps)

    def at(self, size: int) -> Step:
        return next(step for step in self.steps if step.size == size)


Bend = Literal["before", "concurrency", "never"]


class SweepResult(msgspec.Struct, frozen=True):
    concurrency: int
    overflow: int
    work_ms: int
    dialect: str
    ways: list[Way]
    failures: list[str] = []

    @property
    def pool(self) -> Way:
        return self.ways[0]

    @property
    def each_time(self) -> Way | None:
        return self.ways[1] if len(self.ways) > 1 else None

    @property
    def hold(self) -> float:
        """W of the smallest pool, in milliseconds: the model's."""
        return self.pool.steps[0].hold.median

    @property
    def knee(self) -> Step:
        """The smallest pool that nearly has the most throughput of all."""
        steps = self.pool.steps
        most = max(step.throughput.median for step in steps)
        return next(step for step in steps if step.throughput.median >= NEARLY * most)

    @property
    def bend(self) -> Bend:
        """Where the knee lies: before each request has a connection, where it has one, or beyond what was measured."""
        if self.knee.most >= self.concurrency:
            return "concurrency"
        return "never" if self.knee is self.pool.steps[-1] else "before"

    def model(self, size: int) -> float:
        """Throughput by Little's law, in requests a second."""
        return little(min(size + self.overflow, self.concurrency), self.hold)


def little(busy: int, hold_ms: float) -> float:
    """Θ = L / W, in requests a second."""
    return 1000 * busy / hold_ms if hold_ms else 0.0


Readings = dict[tuple[str, int], list[PoolResult]]


async def run(parameters: SweepParameters, bench: Bench, progress: Progress = unseen) -> SweepResult:
    """Raises Busy while another experiment runs."""
    names = (POOL, EACH_TIME) if parameters.each_time else (POOL,)
    readings: Readings = {(name, size): [] for size in parameters.sizes for name in names}
    with alone():
        async with bench.scratch() as place:
            await _take_turns(parameters, place, readings, bench, progress)
    return _result(parameters, names, readings, bench.database.dialect)


async def _take_turns(
    parameters: SweepParameters, place: Database, readings: Readings, bench: Bench, progress: Progress
) -> None:
    began, done, total = time.perf_counter(), 0, parameters.repeats * len(readings)
    progress(0, total)
    for turn in range(parameters.repeats):
        if turn and time.perf_counter() - began > TIME_LIMIT:
            break
        for (name, size), of_size in readings.items():
            async with _opened(place, parameters, size, keep=name == POOL) as database:
                of_size.append(await send(_load(parameters, size), database))
            bench.sample(name, size, of_size[-1].throughput)
            done += 1
            progress(done, total)
    progress(total, total)


@contextlib.asynccontextmanager
async def _opened(place: Database, parameters: SweepParameters, size: int, *, keep: bool) -> AsyncIterator[Database]:
    """A pool of this size. One that keeps its connections has opened them; one that lends them once cannot."""
    url = place.url.render_as_string(hide_password=False)
    async with open_database(url, pool_size=size, max_overflow=parameters.overflow) as database:
        if keep:
            async with contextlib.AsyncExitStack() as sessions:
                for _ in range(parameters.busy(size)):
                    await (await sessions.enter_async_context(database.reading())).connection()
        else:
            lend_once(database)
        yield database


def _load(parameters: SweepParameters, size: int) -> PoolParameters:
    return PoolParameters(
        requests=parameters.requests_for(size), concurrency=parameters.concurrency, work_ms=parameters.work_ms
    )


def _result(
    parameters: SweepParameters,
    names: tuple[str, ...],
    readings: Mapping[tuple[str, int], list[PoolResult]],
    dialect: str,
) -> SweepResult:
    return SweepResult(
        concurrency=parameters.concurrency,
        overflow=parameters.overflow,
        work_ms=parameters.work_ms,
        dialect=dialect,
        ways=[Way(name, [_step(size, readings[name, size]) for size in parameters.sizes]) for name in names],
        failures=sorted({told for of_size in readings.values() for one in of_size for told in one.failures})[:3],
    )


def _step(size: int, results: list[PoolResult]) -> Step:
    middle = sorted(results, key=lambda one: one.throughput)[(len(results) - 1) // 2]
    return Step(
        size=size,
        most=results[0].most,
        requests=results[0].finished,
        throughput=spread([one.throughput for one in results]),
        wait_p50=spread([one.wait_p50 for one in results]),
        wait_p95=spread([one.wait_p95 for one in results]),
        hold=spread([one.hold_mean for one in results]),
        in_use=spread([one.in_use for one in results]),
        peak=max(one.peak for one in results),
        failed=sum(one.asked - one.finished for one in results),
        over_time=thinned(results[-1].samples, MOST_POINTS),
        finished=middle.finished,
        seconds=middle.seconds,
    )


def rows(result: SweepResult) -> Table:
    knee = result.knee
    return Table(
        headings=["size", "by Little's law", *(heading for way in result.ways for heading in _headings(way))],
        rows=[
            [
                str(step.size),
                figure(result.model(step.size)),
                *(text for way in result.ways for text in _texts(way.at(step.size))),
            ]
            for step in result.pool.steps
        ],
        notes=[
            f"Requests a second, medians of {knee.throughput.n} rounds (low – high); waits in milliseconds.",
            f"W of the smallest pool is {figure(result.hold)} ms, so Θ = min(size + {result.overflow}, "
            f"{result.concurrency}) / W.",
            f"The knee is at {knee.size}: {figure(knee.throughput.median)} requests a second, "
            f"W = {figure(knee.hold.median)} ms.",
            *(
                f"{way.name}: {sum(s.failed for s in way.steps)} were not served: {result.failures}"
                for way in result.ways
                if any(s.failed for s in way.steps)
            ),
        ],
    )


def _headings(way: Way) -> list[str]:
    return [way.name, "wait p50", "p95", "W, ms"]


def _texts(step: Step) -> list[str]:
    return [range_of(step.throughput), *(figure(one.median) for one in (step.wait_p50, step.wait_p95, step.hold))]


EXPERIMENT = Experiment(
    name="pool-sweep",
    summary="Load pools of growing size, and compare the throughput with Little's law.",
    parameters=SweepParameters,
    run=run,
    rows=rows,
    unit="readings",
)
