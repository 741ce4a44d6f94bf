"""All ways give the same rows, which is looked at before their cost is; they take turns, each in one transaction.

What is measured is calls one after the other on an open connection. CPU is that of this process, whose threads are
SQLite's too; a server's is not in it.
"""

import gc
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

import msgspec
from django.conf import settings

from accounts.models import User
from qulab.db.engine import Database
from qulab.lab.experiments import Bench, Experiment, Progress, Table, alone, unseen
from qulab.lab.experiments.peers import INSTALL, Disagreement, are_here
from qulab.lab.experiments.repository_drivers import Aiosqlite, Asyncpg
from qulab.lab.experiments.repository_questions import Operation, RepositoryParameters, last_page, operations, seed
from qulab.lab.experiments.repository_ways import Core, PlainSession, Repository, Way
from qulab.lab.experiments.tables import figure, range_of
from qulab.lab.measure import Spread, spread

ADVANCED = "tests.peers.advanced"


class Reading(msgspec.Struct, frozen=True):
    """Microseconds for one call: the processor's, and those that passed."""

    cpu: float
    wall: float


class Figures(msgspec.Struct, frozen=True):
    """One way to do one thing. The ratios are the repository's figure over this one's, round by round."""

    way: str
    cpu: Spread
    wall: Spread
    cpu_ratio: Spread
    wall_ratio: Spread
    readings: list[Reading]


class Compared(msgspec.Struct, frozen=True):
    """One operation, `calls` of it in a round; the repository comes first."""

    operation: str
    calls: int
    ways: list[Figures]

    def of(self, way: str) -> Figures:
        return next(one for one in self.ways if one.way == way)


class RepositoryResult(msgspec.Struct, frozen=True):
    """`deep` is the number of the last page."""

    rows: int
    rounds: int
    deep: int
    operations: list[Compared]
    missing: str

    def of(self, operation: str) -> Compared:
        return next(one for one in self.operations if one.operation == operation)


async def run(parameters: RepositoryParameters, bench: Bench, progress: Progress = unseen) -> RepositoryResult:
    """Raises Busy while another experiment runs, Disagreement."""
    with alone():
        async with bench.scratch(User) as scratch:
            keys = await seed(scratch, parameters.rows, progress)
            asked = operations(parameters, keys)
            ways, missing = present(scratch.dialect)
            compared = await _compare(scratch, asked, ways, parameters.rounds, progress)
    return RepositoryResult(parameters.rows, parameters.rounds, last_page(parameters.rows), compared, missing)


def present(dialect: str) -> tuple[list[type[Way]], str]:
    """Those that can run, the repository first; and what of them is missing, in words."""
    driver = Asyncpg if dialect == "postgresql" else Aiosqlite
    ways: list[type[Way]] = [Repository, PlainSession, Core, driver]
    if not are_here(settings.BASE_DIR):
        return ways, "advanced-alchemy is left out: it is compared in a checkout, where tests/peers is."
    if find_spec("advanced_alchemy") is None:
        return ways, f"advanced-alchemy is left out: it is not installed ({INSTALL})."
    return [*ways, import_module(ADVANCED).AdvancedAlchemy], ""


# --- Turns -----------------------------------------------------------------------------------------------------------


async def _compare(
    scratch: Database, asked: list[Operation], ways: list[type[Way]], rounds: int, progress: Progress
) -> list[Compared]:
    compared = []
    total = len(asked) * (1 + rounds)
    for place, operation in enumerate(asked):
        progress(place * (1 + rounds), total)
        await _agree(scratch, operation, ways)  # the first time, each also compiles its statements
        readings: dict[str, list[Reading]] = {way.name: [] for way in ways}
        for turn in range(rounds):
            progress(place * (1 + rounds) + 1 + turn, total)
            for way in ways:
                readings[way.name].append(await _measure(scratch, operation, way))
        compared.append(Compared(operation.name, len(operation.arguments), _figures(readings)))
    progress(total, total)
    return compared


async def _agree(scratch: Database, operation: Operation, ways: list[type[Way]]) -> None:
    """Raises Disagreement."""
    told = {way.name: await _first(scratch, operation, way) for way in ways}
    expected = told[Repository.name]
    for name, found in told.items():
        if found != expected:
            raise Disagreement(f"{operation.name}: {Repository.name} gives {expected}, {name} gives {found}")


async def _first(scratch: Database, operation: Operation, way: type[Way]) -> list[tuple[str, str, int]]:
    async with way.opened(scratch, writing=operation.writes) as opened:
        argument = operation.arguments[0]
        result = await operation.call(opened, argument)
        if result is None:  # it adds: what it has added is among the newest
            result = await opened.newest(len(argument))
        rows = result if isinstance(result, list) else [result]
        return [opened.fields(row) for row in rows]


async def _measure(scratch: Database, operation: Operation, way: type[Way]) -> Reading:
    async with way.opened(scratch, writing=operation.writes) as opened:
        gc.collect()  # what the last one left behind is no part of it
        wall, cpu = time.perf_counter(), time.process_time()
        for argument in operation.arguments:
            opened.forget()
            await operation.call(opened, argument)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    count = len(operation.arguments)
    return Reading(cpu=1e6 * cpu / count, wall=1e6 * wall / count)


def _figures(readings: dict[str, list[Reading]]) -> list[Figures]:
    ours = readings[Repository.name]
    return [
        Figures(
            way=name,
            cpu=spread([one.cpu for one in of_way]),
            wall=spread([one.wall for one in of_way]),
            cpu_ratio=spread([mine.cpu / its.cpu for mine, its in zip(ours, of_way, strict=True)]),
            wall_ratio=spread([mine.wall / its.wall for mine, its in zip(ours, of_way, strict=True)]),
            readings=of_way,
        )
        for name, of_way in readings.items()
    ]


# --- In the terminal -------------------------------------------------------------------------------------------------


def rows(result: RepositoryResult) -> Table:
    return Table(
        headings=["operation, way", "CPU a call, µs", "time a call, µs", "ours / its CPU", "ours / its time"],
        rows=[
            [f"{one.operation}: {way.way}", *map(range_of, _shown(way))]
            for one in result.operations
            for way in one.ways
        ],
        notes=list(_notes(result)),
    )


def _shown(way: Figures) -> list[Spread | None]:
    ratios = [None, None] if way.way == Repository.name else [way.cpu_ratio, way.wall_ratio]
    return [way.cpu, way.wall, *ratios]


def _notes(result: RepositoryResult) -> Iterator[str]:
    yield (
        f"Each figure is the median of {result.rounds} rounds (low – high), in turns, on {figure(result.rows)} users. "
        f"{PlainSession.name} and advanced-alchemy page by OFFSET, the others behind a key."
    )
    yield f"get takes {figure(result.of('get').of(PlainSession.name).cpu_ratio.median)} of the CPU of session.get."
    deep, first = (result.of(f"page {number:,}").of(Repository.name) for number in (result.deep, 1))
    yield f"Page {result.deep:,} takes {figure(deep.wall.median / first.wall.median)} times as long as page 1."
    if result.missing:
        yield result.missing


EXPERIMENT = Experiment(
    name="repository",
    summary="Ask for the same rows through repository, session, Core, driver and advanced-alchemy, in turns.",
    parameters=RepositoryParameters,
    run=run,
    rows=rows,
    unit="rounds",
)
