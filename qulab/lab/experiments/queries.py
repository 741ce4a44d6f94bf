"""All variants load the same rows through the same models; statements are counted at the driver."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session as SyncSession
from sqlalchemy.orm import joinedload, lazyload, raiseload, selectinload

from accounts.models import User
from assessments.models import AIRScore
from qulab.db.base import Base, new_id
from qulab.db.bulk import Columns, insert_columns, refresh_statistics
from qulab.db.engine import Database
from qulab.db.probe import Group, Probe, Statement, probe
from qulab.db.session import Session
from qulab.lab.experiments import Bench, Experiment, Progress, Table, alone, unseen
from qulab.lab.experiments.tables import figure, median, median_of
from qulab.lab.measure import Spread, spread
from qulab.lab.statements.explain import plan_lines

TIME_LIMIT = 15.0  # seconds after which no further repeat begins


class QueriesParameters(msgspec.Struct, frozen=True, kw_only=True):
    users: Annotated[int, Meta(ge=1, le=500, description="users to load")] = 200
    scores_per_user: Annotated[int, Meta(ge=1, le=10, description="scores of each user")] = 3
    repeats: Annotated[int, Meta(ge=1, le=20, description="measured rounds")] = 3


class Variant(msgspec.Struct, frozen=True):
    """One way of loading. Times in milliseconds; `waterfall` holds the first statements of the last repeat."""

    name: str
    statements: int
    time: Spread
    rows: int
    groups: list[Group]
    waterfall: list[Statement]
    error: str = ""


class Planned(msgspec.Struct, frozen=True):
    """A statement that was sent, and how the scratch database answers it, as its EXPLAIN says."""

    sql: str
    lines: list[str]


class QueriesResult(msgspec.Struct, frozen=True):
    """`plans` holds one of each text that was grouped; it is empty in runs that were saved before plans were."""

    users: int
    scores_per_user: int
    variants: list[Variant]
    dialect: str = ""
    plans: list[Planned] = []

    def of(self, name: str) -> Variant:
        return next(variant for variant in self.variants if variant.name == name)


def walk_lazily(session: SyncSession) -> int:
    """What an innocent loop does: one statement for the users, and one more for each of them."""
    users = session.scalars(select(User).options(lazyload(User.scores))).all()
    return sum(len(user.scores) for user in users)


async def load_lazily(session: Session) -> int:
    return await session.run_sync(walk_lazily)


async def load_with_selectin(session: Session) -> int:
    """One statement for the users, one for the scores of all of them."""
    users = (await session.scalars(select(User).options(selectinload(User.scores)))).all()
    return sum(len(user.scores) for user in users)


async def load_with_join(session: Session) -> int:
    """One statement; each user's columns come once for each of their scores."""
    users = (await session.scalars(select(User).options(joinedload(User.scores)))).unique().all()
    return sum(len(user.scores) for user in users)


async def refuse_to_load(session: Session) -> int:
    """What happens in the rest of QuLab, where a relationship that was not asked for raises."""
    users = (await session.scalars(select(User).options(raiseload(User.scores)))).all()
    return sum(len(user.scores) for user in users)


VARIANTS: Mapping[str, Callable[[Session], Awaitable[int]]] = {
    "lazy": load_lazily,
    "selectinload": load_with_selectin,
    "joinedload": load_with_join,
    "raiseload": refuse_to_load,
}


async def run(parameters: QueriesParameters, bench: Bench, progress: Progress = unseen) -> QueriesResult:
    """Seed scratch data, then take turns between the variants. Raises Busy while another experiment runs."""
    with alone():
        async with bench.scratch(User, AIRScore) as scratch:
            await seed(scratch, parameters)
            readings = await _take_turns(scratch, parameters.repeats, bench, progress)
            variants = [_variant(name, of_name) for name, of_name in readings.items()]
            plans = await _plans(scratch, variants)
    return QueriesResult(parameters.users, parameters.scores_per_user, variants, scratch.dialect, plans)


async def seed(scratch: Database, parameters: QueriesParameters) -> None:
    """By COPY on PostgreSQL: of all its ways to write many rows this one ends as soon as it is cancelled."""
    ids, each = [new_id() for _ in range(parameters.users)], parameters.scores_per_user
    count = len(ids) * each
    users: Columns = {
        "id": ids,
        "email": [f"user{i}@example.com" for i in range(len(ids))],
        "name": [f"User {i}" for i in range(len(ids))],
    }
    parts = dict.fromkeys(
        ("air_score", "vr_score", "hr_score", "synergy_score", "ci_lower", "ci_upper"), [50.0] * count
    )
    scores: Columns = {
        "user_id": [one for one in ids for _ in range(each)],
        "occupation_code": ["15-1252"] * count,
        "parameter_version": ["scratch"] * count,
        **parts,
    }
    tables = Base.metadata.tables
    async with scratch.writing() as session:
        await insert_columns(session, tables["users"], [users])
        await insert_columns(session, tables["air_scores"], [scores])
        await refresh_statistics(session, tables["users"], tables["air_scores"])
        await session.commit()


class Reading(msgspec.Struct, frozen=True):
    """One repeat of one variant."""

    milliseconds: float
    rows: int
    error: str
    probe: Probe


async def _take_turns(scratch: Database, repeats: int, bench: Bench, progress: Progress) -> dict[str, list[Reading]]:
    began, loads = time.perf_counter(), repeats * len(VARIANTS)
    readings: dict[str, list[Reading]] = {name: [] for name in VARIANTS}
    progress(0, loads)
    for load in VARIANTS.values():  # unmeasured: the first time, each also compiles its statements
        await _read(scratch, load)
    for turn in range(repeats):
        if turn and time.perf_counter() - began > TIME_LIMIT:
            break
        for done, (name, load) in enumerate(VARIANTS.items(), turn * len(VARIANTS) + 1):
            reading = await _read(scratch, load)
            readings[name].append(reading)
            if not reading.error:
                bench.sample(name, turn + 1, reading.milliseconds)
            progress(done, loads)
    progress(loads, loads)
    return readings


async def _plans(scratch: Database, variants: Sequence[Variant]) -> list[Planned]:
    """Of each grouped text once: many groups of several ways share one."""
    texts = dict.fromkeys(group.sql for variant in variants for group in variant.groups)
    async with scratch.reading() as session:
        return [Planned(sql, await plan_lines(session, sql)) for sql in texts]


async def _read(scratch: Database, load: Callable[[Session], Awaitable[int]]) -> Reading:
    rows, error = 0, ""
    async with scratch.reading() as session:
        await session.connection()  # connecting is no part of what is compared
        with probe(scratch.engine) as opened:
            began = time.perf_counter()
            try:
                rows = await load(session)
            except InvalidRequestError as refused:
                error = str(refused)
            milliseconds = 1000 * (time.perf_counter() - began)
    return Reading(milliseconds, rows, error, opened)


def _variant(name: str, readings: Sequence[Reading]) -> Variant:
    last = readings[-1]
    return Variant(
        name=name,
        statements=last.probe.count,
        time=spread([reading.milliseconds for reading in readings]),
        rows=last.rows,
        groups=last.probe.groups()[:5],
        waterfall=[one for one in last.probe.statements if not one.controls][:8],
        error=last.error,
    )


def rows(result: QueriesResult) -> Table:
    return Table(
        headings=["way", "statements", "rows", *median_of("ms")],
        rows=[
            [one.name, str(one.statements), str(one.rows), *median(one.time)]
            for one in result.variants
            if not one.error
        ],
        notes=[f"{one.name} refused after {one.statements}: {one.error}" for one in result.variants if one.error]
        + [f"lazy took {figure(_times(result))} times as long as the quickest way."],
    )


def _times(result: QueriesResult) -> float:
    return result.of("lazy").time.median / min(one.time.median for one in result.variants if not one.error)


EXPERIMENT = Experiment(
    name="queries",
    summary="Load the scores of N users lazily and eagerly, and count the statements.",
    parameters=QueriesParameters,
    run=run,
    rows=rows,
    unit="loads",
)
