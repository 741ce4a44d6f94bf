"""All ways delete the same user, each in a transaction that is rolled back: the next way finds every row again.

What a way deleted is counted in its transaction, outside of the time; executions are counted at the driver, where one
call can carry many sets of parameters.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import delete, event, func, inspect, select, text
from sqlalchemy.orm import selectinload

from accounts.models import User
from assessments.models import AIRScore
from qulab.db.base import Base, new_id
from qulab.db.bulk import insert_columns, refresh_statistics
from qulab.db.engine import Database
from qulab.db.probe import Statement, probe
from qulab.db.session import Session
from qulab.lab.experiments import Bench, Experiment, Progress, Table, alone, unseen
from qulab.lab.experiments.tables import figure, range_of
from qulab.lab.measure import Spread, spread

TIME_LIMIT = 12.0  # seconds after which no further repeat begins
SHARES = (64, 16, 4, 1)  # a size is the most scores over one of these
OTHERS = 50  # users that own the other rows
BLOCK = 5_000  # scores that are stored by one call
MOST_SHOWN = 6  # statements that a result keeps
MODELS = (User, AIRScore)
USERS, SCORES = (Base.metadata.tables[model.__tablename__] for model in MODELS)


class CascadeParameters(msgspec.Struct, frozen=True, kw_only=True):
    scores: Annotated[int, Meta(ge=4, le=5_000, description="most scores of the user who goes")] = 1_000
    others: Annotated[int, Meta(ge=0, le=100_000, description="scores of other users in the table")] = 20_000
    repeats: Annotated[int, Meta(ge=1, le=20, description="measured rounds")] = 3


class Deletion(msgspec.Struct, frozen=True):
    """A user with `scores` scores deleted. Time in milliseconds up to the last answer, without a commit.

    `statements`: calls of the driver; `executions`: what these carried; `deletes`: the executions that are a DELETE.
    """

    scores: int
    deleted: int
    statements: int
    executions: int
    deletes: int
    time: Spread


class Way(msgspec.Struct, frozen=True):
    """One way to delete, over all sizes; `sent` are the statements of the largest.

    `indexed`: whether the database said that it has an index of the foreign key.
    """

    name: str
    indexed: bool
    deletions: list[Deletion]
    sent: list[Statement]

    @property
    def largest(self) -> Deletion:
        return self.deletions[-1]


class CascadeResult(msgspec.Struct, frozen=True):
    others: int
    ways: list[Way]

    def of(self, name: str) -> Way:
        return next(way for way in self.ways if way.name == name)


LOADED, PASSIVE, PLAIN, BARE = "ORM, scores loaded", "ORM, database cascades", "plain DELETE", "plain DELETE, no index"


async def delete_loaded(session: Session, user_id: str) -> None:
    """The session knows the scores, so it deletes each of them by its key, and then the user."""
    user = await session.get_one(User, user_id, options=[selectinload(User.scores)])
    await session.delete(user)
    await session.flush()


async def delete_and_let_cascade(session: Session, user_id: str) -> None:
    """`passive_deletes=True`: scores that are not loaded are left to the foreign key's ON DELETE CASCADE."""
    user = await session.get_one(User, user_id)
    await session.delete(user)
    await session.flush()


async def delete_plainly(session: Session, user_id: str) -> None:
    """One statement, no object; the foreign key does the rest."""
    await session.execute(delete(USERS).where(USERS.c.id == user_id))


Delete = Callable[[Session, str], Awaitable[None]]
WAYS: Mapping[str, tuple[Delete, bool]] = {
    LOADED: (delete_loaded, True),
    PASSIVE: (delete_and_let_cascade, True),
    PLAIN: (delete_plainly, True),
    BARE: (delete_plainly, False),
}


class Reading(msgspec.Struct, frozen=True):
    """One deletion; time in milliseconds."""

    milliseconds: float
    deleted: int
    statements: list[Statement]
    executions: int
    deletes: int


Readings = dict[tuple[str, int], list[Reading]]


async def run(parameters: CascadeParameters, bench: Bench, progress: Progress = unseen) -> CascadeResult:
    """Raises Busy while another experiment runs."""
    sizes = sorted({max(1, parameters.scores // share) for share in SHARES})
    with alone():
        async with bench.scratch(*MODELS) as bare, bench.scratch(*MODELS) as indexed:
            places = {True: Place(indexed), False: Place(bare)}
            for place in places.values():
                await place.seed(sizes, parameters.others)
            await places[False].drop_indexes()
            readings = await _take_turns(places, sizes, parameters.repeats, bench, progress)
            found = {wanted: await place.has_index() for wanted, place in places.items()}
    ways = [_way(name, sizes, readings, indexed=found[wanted]) for name, (_, wanted) in WAYS.items()]
    return CascadeResult(parameters.others, ways)


class Place:
    """A scratch database with a user for each size; it counts what is executed in it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.users: dict[int, str] = {}
        self.executed: list[str] = []
        event.listen(database.engine.sync_engine, "before_cursor_execute", self._count)

    def _count(self, _c: Any, _cursor: Any, sql: str, parameters: Any, _context: Any, many: bool) -> None:
        self.executed += [sql] * (len(parameters) if many else 1)

    async def seed(self, sizes: Sequence[int], others: int) -> None:
        self.users = {size: new_id() for size in sizes}
        crowd = [new_id() for _ in range(min(OTHERS, others))]
        people = [*self.users.values(), *crowd]
        owners = [self.users[size] for size in sizes for _ in range(size)] + [
            crowd[i % len(crowd)] for i in range(others)
        ]
        async with self.database.writing() as session:
            emails = [f"user{i}@example.com" for i in range(len(people))]
            await insert_columns(session, USERS, [{"id": people, "email": emails, "name": emails}])
            for i in range(0, len(owners), BLOCK):  # a run that is cancelled ends between two
                await insert_columns(session, SCORES, [_scores(owners[i : i + BLOCK])])
            await refresh_statistics(session, USERS, SCORES)
            await session.commit()

    async def drop_indexes(self) -> None:
        """Those that begin with the foreign key: a cascade then looks at every row of the table."""
        async with self.database.writing() as session:
            for index in SCORES.indexes:
                if next(iter(index.columns)).name == "user_id":
                    await session.execute(text(f"DROP INDEX {index.name}"))
            await session.commit()

    async def has_index(self) -> bool:
        async with self.database.engine.connect() as connection:
            found = await connection.run_sync(lambda one: inspect(one).get_indexes(SCORES.name))
        return any(index["column_names"][0] == "user_id" for index in found)

    async def read(self, delete_user: Delete, size: int) -> Reading:
        async with self._unfinished() as session:
            before = await _count_scores(session)
            self.executed.clear()
            with probe(self.database.engine) as opened:
                began = time.perf_counter()
                await delete_user(session, self.users[size])
                milliseconds = 1000 * (time.perf_counter() - began)
            executed = list(self.executed)
            return Reading(
                milliseconds,
                before - await _count_scores(session),
                opened.statements,
                len(executed),
                sum(sql.startswith("DELETE") for sql in executed),
            )

    @asynccontextmanager
    async def _unfinished(self) -> AsyncIterator[Session]:
        async with self.database.writing() as session:
            await session.connection()
            yield session
            await session.rollback()


def _scores(owners: Sequence[str]) -> dict[str, Sequence[Any]]:
    parts = ("air_score", "vr_score", "hr_score", "synergy_score", "ci_lower", "ci_upper")
    columns: dict[str, Sequence[Any]] = {name: [50.0] * len(owners) for name in parts}
    texts = {"occupation_code": "15-1252", "parameter_version": "scratch"}
    return {"user_id": owners, **columns, **{name: [value] * len(owners) for name, value in texts.items()}}


async def _count_scores(session: Session) -> int:
    return await session.scalar(select(func.count()).select_from(SCORES)) or 0


async def _take_turns(
    places: Mapping[bool, Place], sizes: Sequence[int], repeats: int, bench: Bench, progress: Progress
) -> Readings:
    readings: Readings = {(name, size): [] for name in WAYS for size in sizes}
    for delete_user, indexed in WAYS.values():  # unmeasured: statements are compiled, plans are made
        await places[indexed].read(delete_user, sizes[0])
        progress(0, repeats * len(readings))
    began, done = time.perf_counter(), 0
    for turn in range(repeats):
        if turn and time.perf_counter() - began > TIME_LIMIT:
            break
        for (name, size), of_way in readings.items():
            delete_user, indexed = WAYS[name]
            of_way.append(await places[indexed].read(delete_user, size))
            bench.sample(name, size, of_way[-1].milliseconds)
            done += 1
            progress(done, repeats * len(readings))
    progress(repeats * len(readings), repeats * len(readings))
    return readings


def _way(name: str, sizes: Sequence[int], readings: Readings, *, indexed: bool) -> Way:
    last = readings[name, sizes[-1]][-1].statements
    return Way(name, indexed, [_deletion(size, readings[name, size]) for size in sizes], last[:MOST_SHOWN])


def _deletion(size: int, readings: Sequence[Reading]) -> Deletion:
    last = readings[-1]
    return Deletion(
        scores=size,
        deleted=last.deleted,
        statements=sum(not one.controls for one in last.statements),
        executions=last.executions,
        deletes=last.deletes,
        time=spread([one.milliseconds for one in readings]),
    )


def rows(result: CascadeResult) -> Table:
    first = result.ways[0]
    return Table(
        headings=["way", "DELETEs", "executions", "calls", *(f"{one.scores} scores, ms" for one in first.deletions)],
        rows=[
            [
                way.name,
                *(figure(one) for one in (way.largest.deletes, way.largest.executions, way.largest.statements)),
                *(range_of(one.time) for one in way.deletions),
            ]
            for way in result.ways
        ],
        notes=[
            f"Counts are those of {first.largest.scores} scores; {figure(result.others)} rows of others are there too.",
            f"Medians of {first.largest.time.n} rounds (low – high), in turns, up to the last answer; no commit.",
        ],
    )


EXPERIMENT = Experiment(
    name="cascade",
    summary="Delete a user with N scores through the session and through the database, and count what is sent.",
    parameters=CascadeParameters,
    run=run,
    rows=rows,
    unit="deletions",
)
