"""The same load comes by its connections in three ways, in turns: none may open more of them than the others."""

import contextlib
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy.pool import AsyncAdaptedQueuePool

from qulab.db.engine import Database, open_database
from qulab.db.pool import FairPool
from qulab.lab.experiments import Bench, Experiment, Progress, Table, alone, unseen
from qulab.lab.experiments.pool import TIME_LIMIT, PoolParameters, PoolResult, lend_once, send
from qulab.lab.experiments.tables import figure, range_of
from qulab.lab.measure import Spread, spread


class PoolBenchParameters(PoolParameters, frozen=True, kw_only=True):
    requests: Annotated[int, Meta(ge=1, le=5_000, description="requests in all")] = 200
    concurrency: Annotated[int, Meta(ge=1, le=200, description="requests at the same time")] = 50
    size: Annotated[int, Meta(ge=1, le=50, description="connections that the pool keeps open")] = 10
    overflow: Annotated[int, Meta(ge=0, le=50, description="connections beyond that, for a while")] = 20
    repeats: Annotated[int, Meta(ge=1, le=20, description="measured rounds of each way")] = 5


class Way(msgspec.Struct, frozen=True):
    """One way to come by a connection, over all rounds. Throughput in requests a second, waits in milliseconds.

    `unfair` is the 99th percentile of the waits over their median, None where the median did not wait.
    """

    name: str
    throughput: Spread
    wait_p50: Spread
    wait_p95: Spread
    wait_p99: Spread
    wait_max: Spread
    unfair: Spread | None
    peak: int
    failed: int
    rounds: list[PoolResult]


class PoolComparison(msgspec.Struct, frozen=True):
    """`ratio`: the pool's throughput over that of SQLAlchemy's own, round by round."""

    ways: list[Way]
    ratio: Spread

    def of(self, name: str) -> Way:
        return next(way for way in self.ways if way.name == name)


POOL, SQLALCHEMYS, EACH_TIME = "pool", "SQLAlchemy's pool", "connect each time"


async def compare(parameters: PoolBenchParameters, bench: Bench, progress: Progress = unseen) -> PoolComparison:
    """Raises Busy while another experiment runs."""
    rounds: dict[str, list[PoolResult]] = {POOL: [], SQLALCHEMYS: [], EACH_TIME: []}
    with alone():
        async with bench.scratch() as place, contextlib.AsyncExitStack() as open_pools:
            pools = {
                name: await open_pools.enter_async_context(
                    open_database(
                        place.url.render_as_string(hide_password=False),
                        pool_size=parameters.size,
                        max_overflow=parameters.overflow,
                    )
                )
                for name in rounds
            }
            _serve_as_sqlalchemy_does(pools[SQLALCHEMYS])
            lend_once(pools[EACH_TIME])
            for turn in range(parameters.repeats + 1):
                for name, database in pools.items():
                    rounds[name].append(await send(parameters, database))
                progress(turn, parameters.repeats)
    # The first round is not measured: in it the pool is still empty.
    ways = [_way(name, results[1:]) for name, results in rounds.items()]
    fair, stock, _ = ways
    pairs = zip(fair.rounds, stock.rounds, strict=True)
    return PoolComparison(ways, spread([mine.throughput / its.throughput for mine, its in pairs if its.throughput]))


class SQLAlchemysPool(FairPool):
    """A FairPool with SQLAlchemy's own way to lend and take back: all else about it is the same."""

    _do_get = AsyncAdaptedQueuePool._do_get
    _do_return_conn = AsyncAdaptedQueuePool._do_return_conn
    _dec_overflow = AsyncAdaptedQueuePool._dec_overflow


def _serve_as_sqlalchemy_does(database: Database) -> None:
    """Before its first use: a Database makes its pool itself, and has no other kind."""
    database.pool.__class__ = SQLAlchemysPool


def _way(name: str, results: list[PoolResult]) -> Way:
    waited = [one for one in results if one.wait_p50 > 0]
    return Way(
        name=name,
        throughput=spread([one.throughput for one in results]),
        wait_p50=spread([one.wait_p50 for one in results]),
        wait_p95=spread([one.wait_p95 for one in results]),
        wait_p99=spread([one.wait_p99 for one in results]),
        wait_max=spread([one.wait_max for one in results]),
        unfair=spread([one.wait_p99 / one.wait_p50 for one in waited]) if waited else None,
        peak=max(one.peak for one in results),
        failed=sum(one.asked - one.finished for one in results),
        rounds=results,
    )


def rows(result: PoolComparison) -> Table:
    return Table(
        headings=["way", "requests/s", "wait p50, ms", "p95", "p99", "longest", "p99 / p50", "most in use"],
        rows=[
            [
                way.name,
                range_of(way.throughput),
                *(figure(one.median) for one in (way.wait_p50, way.wait_p95, way.wait_p99, way.wait_max)),
                range_of(way.unfair),
                str(way.peak),
            ]
            for way in result.ways
        ],
        notes=[
            f"Medians of {len(result.ways[0].rounds)} rounds (low – high), in turns.",
            f"The pool served {range_of(result.ratio)} times as many a second as SQLAlchemy's, and "
            f"{figure(_times(result))} times as many as were served without one.",
            *(_unserved(way) for way in result.ways if way.failed),
        ],
    )


def _times(result: PoolComparison) -> float | None:
    without = result.of(EACH_TIME).throughput.median
    return result.of(POOL).throughput.median / without if without else None


def _unserved(way: Way) -> str:
    """Why requests were not served: an error, or no time was left for them to begin."""
    why = next((str(one.failures) for one in way.rounds if one.failures), f"a round ends after {TIME_LIMIT:g} s")
    return f"{way.name}: {way.failed} requests were not served: {why}"


EXPERIMENT = Experiment(
    name="pool",
    summary="Load a pool of connections, beside SQLAlchemy's own and connecting for each request.",
    parameters=PoolBenchParameters,
    run=compare,
    rows=rows,
    unit="rounds",
)
