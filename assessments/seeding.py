"""Seeding ends with the same rows however often it was interrupted and begun again: a block is there, or it is not.

Each block of people is one transaction, and only what is missing of it is added. What is already there stays as it is,
also where someone has changed it since.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Set
from functools import partial
from itertools import chain, compress
from typing import Annotated

import msgspec
import numpy as np
from django.conf import settings
from sqlalchemy import Select, Table, select

from accounts.models import User
from accounts.services import forget_cached_users
from assessments.models import AIRScore, Assessment
from assessments.population import BLOCK, MOST_SCORES, MOST_USERS, Block, Columns
from assessments.scoring import COMPONENTS
from assessments.turns import Begun, Turn
from outbox.models import DomainEvent
from outbox.positions import partition_of
from outbox.wake import wake_relay
from qulab.db.base import Base
from qulab.db.bulk import Values, insert_columns, refresh_statistics
from qulab.db.engine import Database
from qulab.db.errors import Conflict, DataLayerError
from qulab.db.session import Session

MOST_SEED = 2**31 - 1
EVENT, AGGREGATE = "AIRScoreCalculated", "AIRScore"


class SeedParameters(msgspec.Struct, frozen=True, kw_only=True):
    """How many people, how many scores each, and which: the same `seed` stands for the same people everywhere."""

    users: Annotated[int, msgspec.Meta(ge=0, le=MOST_USERS)]
    scores_per_user: Annotated[int, msgspec.Meta(ge=0, le=MOST_SCORES)]
    seed: Annotated[int, msgspec.Meta(ge=0, le=MOST_SEED)] = 1
    events: bool = False  # also a pending AIRScoreCalculated of each score, for the relay to publish


class Seeded(msgspec.Struct, frozen=True):
    """Rows that were added, which were not there before, and the time that took in seconds."""

    users: int
    assessments: int
    scores: int
    events: int
    seconds: float

    @property
    def rows(self) -> int:
        return self.users + self.assessments + self.scores + self.events

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds


class EmailTaken(DataLayerError):
    """An address of the seeded people belongs to another user. Choose another seed, or change that address."""

    def __init__(self, email: str, seed: int) -> None:
        super().__init__(
            f"{email} belongs to a user who is not one of seed {seed}. Choose another seed, or change that address. "
            "Nothing of this block of people was stored; the blocks before it are whole."
        )


class SeededMeanwhile(DataLayerError):
    """Another run added or deleted rows of this seed at the same time. Run it again: it adds what is missing."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


async def seed(
    database: Database, parameters: SeedParameters, progress: Callable[[int, int], None] = lambda done, total: None
) -> Seeded:
    """Add what is missing of the people of a seed, telling `progress` how many of them are there.

    Raises EmailTaken, SeededMeanwhile, and msgspec.ValidationError for parameters out of their bounds. After an
    interruption it can be called again. No event is written unless `parameters.events`: these rows are history.
    """
    parameters = msgspec.convert(msgspec.to_builtins(parameters), SeedParameters)
    began, added = time.perf_counter(), dict.fromkeys(TABLES, 0)
    for block in blocks(parameters):
        progress(block.number * BLOCK, parameters.users)
        for name, count in (await _complete(database, block, parameters)).items():
            added[name] += count
    if any(added.values()):
        await _refresh_statistics(database, [TABLES[name] for name, count in added.items() if count])
    progress(parameters.users, parameters.users)
    users, assessments, scores, events = added.values()
    return Seeded(users, assessments, scores, events, time.perf_counter() - began)


TABLES: dict[str, Table] = {
    model.__tablename__: Base.metadata.tables[model.__tablename__]
    for model in (User, Assessment, AIRScore, DomainEvent)
}
Parts = Mapping[str, Iterable[Columns]]  # by table
There = Mapping[str, Set[str]]  # ids by table; of events, the ids of the scores they tell of
NOTHING: There = dict.fromkeys(TABLES, frozenset())


def blocks(parameters: SeedParameters) -> Iterator[Block]:
    for first in range(0, parameters.users, BLOCK):
        yield Block(parameters.seed, first // BLOCK, min(BLOCK, parameters.users - first))


async def _complete(database: Database, block: Block, parameters: SeedParameters) -> dict[str, int]:
    """Add what is missing of a block; returns rows by table."""
    async with database.reading() as session:
        there = await _look(session, block, events=parameters.events)
    parts = missing(block, parameters, there)
    if database.dialect == "sqlite":
        # Made before the transaction, whose lock all writers wait for. PostgreSQL stores some while others are made.
        parts = {table: [part async for part in _with_pauses(of_table)] for table, of_table in parts.items()}
        if not any(parts.values()):
            return {}
    async with database.writing() as session:
        try:
            return await _store(session, block, parts, there)
        except Conflict as conflict:
            await session.rollback()
            raise await _reason(session, block, conflict) from conflict


async def _with_pauses(parts: Iterable[Columns]) -> AsyncIterator[Columns]:
    for part in parts:
        yield part
        await asyncio.sleep(0)


async def _store(session: Session, block: Block, parts: Parts, there: There) -> dict[str, int]:
    added = {name: await insert_columns(session, TABLES[name], of_table) for name, of_table in parts.items()}
    if added["air_scores"]:
        # They have a later score now. New people are in no cache, or for seconds only, as someone who does not exist.
        known = [user_id for user_id in block.user_ids if user_id in there["users"]]
        if known:
            forget_cached_users(session, *known)
    if added["domain_events"]:
        session.on_commit(wake_relay)
    if any(added.values()):
        await session.commit()
    return added


def missing(block: Block, parameters: SeedParameters, there: There) -> Parts:
    """The rows of a block that are not `there`, made when they are asked for; tables in the order of foreign keys."""
    # The same turns for all tables: their tests are simulated once.
    begun, turns = Begun(block), [Turn(block, number) for number in range(parameters.scores_per_user)]
    components = range(len(COMPONENTS))
    open_ones = ((begun.ids(one), partial(begun.assessments, one)) for one in components)
    ended = ((turn.assessment_ids[one], partial(turn.assessments, one)) for turn in turns for one in components)
    told = turns if parameters.events else []
    return {
        "users": _without(there["users"], [(block.user_ids, block.users)]),
        "assessments": _without(there["assessments"], chain(open_ones, ended)),
        "air_scores": _without(there["air_scores"], ((turn.ids, turn.columns) for turn in turns)),
        "domain_events": _without(there["domain_events"], ((turn.ids, partial(events_of, turn)) for turn in told)),
    }


def _without(there: Set[str], parts: Iterable[tuple[Values, Callable[[], Columns]]]) -> Iterator[Columns]:
    """Of parts, given by their ids and how they are made, the rows whose id is not `there`."""
    for ids, make in parts:
        absent = [id_ not in there for id_ in ids]
        if all(absent) and absent:
            yield make()
        elif any(absent):
            yield {name: _those(absent, values) for name, values in make().items()}


def _those(absent: list[bool], values: Values) -> Values:
    return values[np.array(absent)] if isinstance(values, np.ndarray) else list(compress(values, absent))


def events_of(turn: Turn) -> Columns:
    """What `assessments.services` would record of these scores. The rest, and the time, are the columns' defaults."""
    payloads = zip(turn.block.user_ids, turn.ids, turn.block.codes, turn.scored.air.tolist(), strict=True)
    names = ("user_id", "air_score_id", "occupation_code", "air_score_value")
    return {
        "id": turn.event_ids,
        "event_type": [EVENT] * len(turn.ids),
        "aggregate_type": [AGGREGATE] * len(turn.ids),
        "aggregate_id": turn.ids,
        "payload": [dict(zip(names, values, strict=True)) for values in payloads],
        "partition": [partition_of(AGGREGATE, id_, settings.OUTBOX_PARTITIONS) for id_ in turn.ids],
    }


async def _look(session: Session, block: Block, *, events: bool) -> There:
    """What is there of a block's people. All of it is found through indexes."""
    first, last = block.user_ids[0], block.user_ids[-1]
    scores = select(AIRScore.id).where(AIRScore.user_id.between(first, last))
    told = select(DomainEvent.aggregate_id).where(DomainEvent.event_type == EVENT, DomainEvent.aggregate_id.in_(scores))
    return {
        "users": await _ids(session, select(User.id).where(User.id.between(first, last))),
        "assessments": await _ids(session, select(Assessment.id).where(Assessment.user_id.between(first, last))),
        "air_scores": await _ids(session, scores),
        "domain_events": await _ids(session, told) if events else set(),
    }


async def _ids(session: Session, statement: Select[tuple[str]]) -> set[str]:
    return set((await session.scalars(statement)).all())


async def _reason(session: Session, block: Block, conflict: Conflict) -> DataLayerError:
    if conflict.field != "email":
        return SeededMeanwhile()
    taken = select(User.email).where(User.email.in_(block.emails), User.id.not_in(block.user_ids)).limit(1)
    email = await session.scalar(taken)
    return EmailTaken(email, block.seed) if email else SeededMeanwhile()


async def _refresh_statistics(database: Database, tables: list[Table]) -> None:
    async with database.writing() as session:
        await refresh_statistics(session, *tables)
        await session.commit()
