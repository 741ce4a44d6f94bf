"""Seeding and the database's own bulk path write the same rows, in turns, each into an empty database.

The service is measured whole: it lets the people take their tests, looks for what is there and commits block by block.
The driver is given its rows ready-made, and has one transaction. The ORM's objects are made while it is
measured, as a program would.
"""

import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from functools import partial
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from sqlalchemy import Dialect, insert
from sqlalchemy import Table as DatabaseTable

from accounts.models import User
from assessments.models import AIRScore, Assessment
from assessments.population import Columns
from assessments.seeding import NOTHING, SeedParameters, blocks, missing, seed
from qulab.db.base import Base
from qulab.db.bulk import Values, as_stored
from qulab.db.engine import Database
from qulab.lab.experiments import Bench, Experiment, Progress, Table, alone, unseen
from qulab.lab.experiments.tables import figure, median, median_of
from qulab.lab.measure import Spread, spread

ORM_USERS = 2_000  # enough for a rate: it is slow
MODELS: dict[str, type[Base]] = {model.__tablename__: model for model in (User, Assessment, AIRScore)}


class SeedBenchParameters(msgspec.Struct, frozen=True, kw_only=True):
    users: Annotated[int, Meta(ge=1, le=20_000, description="people to seed")] = 10_000
    scores_per_user: Annotated[int, Meta(ge=0, le=5, description="scores of each of them")] = 3
    rounds: Annotated[int, Meta(ge=1, le=20, description="measured rounds")] = 5


class Way(msgspec.Struct, frozen=True):
    """One way to write `rows` rows; `rate` in rows a second."""

    name: str
    rows: int
    rate: Spread


class SeedResult(msgspec.Struct, frozen=True):
    """`ratio`: the service's rate over the driver's, round by round."""

    users: int
    scores_per_user: int
    ways: list[Way]
    ratio: Spread


class Reading(msgspec.Struct, frozen=True):
    """One write; `rate` in rows a second."""

    rows: int
    rate: float


class Ready(msgspec.Struct, frozen=True):
    """All rows of one table, as its driver takes them."""

    table: DatabaseTable
    names: list[str]
    rows: list[tuple[Any, ...]]


Write = Callable[[Database], Awaitable[int]]  # returns how many rows it wrote
Ways = dict[str, Write]


async def run(parameters: SeedBenchParameters, bench: Bench, progress: Progress = unseen) -> SeedResult:
    """Raises Busy while another experiment runs."""
    with alone():
        ways = _ways(SeedParameters(users=parameters.users, scores_per_user=parameters.scores_per_user), bench)
        for write in ways.values():  # unmeasured: in the first round statements are compiled and caches fill
            await _measure(bench, write)
        readings = await _take_turns(ways, bench, parameters.rounds, progress)
    return _result(parameters, readings)


def _ways(parameters: SeedParameters, bench: Bench) -> Ways:
    """The service, then what it is compared with."""
    dialect = bench.database.engine.dialect
    ready = _ready(parameters, dialect)
    some = msgspec.structs.replace(parameters, users=min(parameters.users, ORM_USERS))

    async def service(scratch: Database) -> int:
        return (await seed(scratch, parameters)).rows

    on_postgresql = dialect.name == "postgresql"
    name, driver = ("driver: COPY", _copy) if on_postgresql else ("driver: executemany", _execute_many)
    return {"manage.py seed": service, name: partial(driver, ready), "ORM: add_all": partial(_add_all, some)}


def _parts(parameters: SeedParameters) -> Iterator[tuple[str, Iterable[Columns]]]:
    """By block, and in it by table in the order of foreign keys: all tables of a block share its simulated tests."""
    for block in blocks(parameters):
        parts = missing(block, parameters, NOTHING)
        yield from ((name, parts[name]) for name in MODELS)


def _ready(parameters: SeedParameters, dialect: Dialect) -> list[Ready]:
    ready: dict[str, Ready] = {}
    for name, parts in _parts(parameters):
        table = Base.metadata.tables[name]
        names, rows = as_stored(table, parts, dialect)
        if names:
            ready.setdefault(name, Ready(table, names, [])).rows.extend(rows)
    return list(ready.values())


async def _copy(ready: list[Ready], scratch: Database) -> int:
    """One COPY for each table, all in one transaction."""
    async with _driver(scratch) as driver, driver.transaction():
        for one in ready:
            await driver.copy_records_to_table(one.table.name, columns=one.names, records=one.rows)
    return sum(len(one.rows) for one in ready)


async def _execute_many(ready: list[Ready], scratch: Database) -> int:
    """One executemany for each table, all in one transaction."""
    async with _driver(scratch) as driver:
        await driver.execute("BEGIN IMMEDIATE")
        for one in ready:
            statement = insert(one.table).values(dict.fromkeys(one.names))
            await driver.executemany(str(statement.compile(dialect=scratch.engine.dialect)), one.rows)
        await driver.execute("COMMIT")
    return sum(len(one.rows) for one in ready)


async def _add_all(parameters: SeedParameters, scratch: Database) -> int:
    count = 0
    async with scratch.writing() as session:
        for name, parts in _parts(parameters):
            for columns in parts:
                rows = list(zip(*map(_as_python, columns.values()), strict=True))
                session.add_all(MODELS[name](**dict(zip(columns, row, strict=True))) for row in rows)
                count += len(rows)
            await session.flush()
        await session.commit()
    return count


def _as_python(values: Values) -> Sequence[Any]:
    if isinstance(values, np.ndarray):
        return [moment.replace(tzinfo=UTC) for moment in values.tolist()]
    return [msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value for value in values]


@asynccontextmanager
async def _driver(scratch: Database) -> AsyncIterator[Any]:
    """The driver's own connection, in which SQLAlchemy has begun nothing."""
    async with scratch.engine.connect() as connection:
        yield (await connection.get_raw_connection()).driver_connection


async def _take_turns(ways: Ways, bench: Bench, rounds: int, progress: Progress) -> dict[str, list[Reading]]:
    readings: dict[str, list[Reading]] = {name: [] for name in ways}
    for turn in range(rounds):
        progress(turn, rounds)
        for name, write in ways.items():
            readings[name].append(await _measure(bench, write))
    progress(rounds, rounds)
    return readings


async def _measure(bench: Bench, write: Write) -> Reading:
    async with bench.scratch(*MODELS.values()) as scratch:
        async with scratch.reading() as session:
            await session.connection()  # connecting is no part of what is compared
        gc.collect()  # nor is what the last one left behind
        began = time.perf_counter()
        rows = await write(scratch)
        return Reading(rows, rows / (time.perf_counter() - began))


def _result(parameters: SeedBenchParameters, readings: dict[str, list[Reading]]) -> SeedResult:
    ways = [Way(name, of_way[0].rows, spread([one.rate for one in of_way])) for name, of_way in readings.items()]
    service, driver, *_others = readings.values()
    ratio = spread([ours.rate / theirs.rate for ours, theirs in zip(service, driver, strict=True)])
    return SeedResult(parameters.users, parameters.scores_per_user, ways, ratio)


def rows(result: SeedResult) -> Table:
    ratio = result.ratio
    return Table(
        headings=["way", "rows", *median_of("rows a second")],
        rows=[[way.name, figure(way.rows), *median(way.rate)] for way in result.ways],
        notes=[
            f"{result.ways[0].name} reaches {figure(ratio.median)} of the driver's speed, round by round "
            f"{figure(ratio.low)} – {figure(ratio.high)}."
        ],
    )


EXPERIMENT = Experiment(
    name="seed",
    summary="Seed people beside the database's own bulk path and the ORM, in rows a second.",
    parameters=SeedBenchParameters,
    run=run,
    rows=rows,
    unit="rounds",
)
