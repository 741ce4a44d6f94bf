"""Each examinee is a person of a scratch database, and what is said of their test is read back from its rows."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Row, select

from assessments import sittings
from assessments.bank import AnyItem, bank
from assessments.estimation import DIGITS, Floats
from assessments.examinees import Examinees, reply
from assessments.models import AIRScore, Assessment, Response, Sitting, Status
from assessments.scoring import COMPONENTS, recalculate
from assessments.selectors import SittingNow, sitting_of
from outbox.wake import hints
from qulab.cache import keys
from qulab.cache.client import streams
from qulab.cache.read_through import Cache, caches
from qulab.db.base import new_id
from qulab.db.engine import Database
from qulab.db.session import Session
from qulab.lab.experiments import Bench
from qulab.lab.experiments.claim import held
from qulab.lab.experiments.simulation_measures import Readings, pools
from qulab.lab.experiments.simulation_result import Served
from qulab.lab.measure import quantile
from qulab.lab.scratch import store_users

SCORE = ("air", "vr", "hr", "synergy")
EVERY = 5  # examinees between two words of progress


@asynccontextmanager
async def serving(bench: Bench) -> AsyncIterator["Services"]:
    """A scratch database for people, and places in the scratch Redis for what follows a commit."""
    redis, cache = bench.redis(text=True), Cache(bench.redis())
    async with bench.migrated() as scratch, held(redis, [keys.WAKE]):
        before = streams.lend(redis), caches.lend(cache)
        try:
            yield Services(scratch)
            await hints.get().sent()
        finally:
            streams.lend(before[0])
            caches.lend(before[1])
            await cache.close()


class Services:
    """What the tests took, and what was stored otherwise than it should be."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.people = 0
        self.times: list[float] = []
        self.recalculated = 0

    async def sit_all(self, people: Examinees, progress: Callable[[int], None]) -> Readings:
        """Let them take the whole test, one after the other: two would measure each other."""
        ids = [new_id() for _ in people.seeds]
        await store_users(self.database, ids, first=self.people)
        self.people += len(ids)
        for number, user_id in enumerate(ids):
            await self._sit(people, number, user_id)
            if number % EVERY == 0:
                progress(number)
        return await self._read(people, ids)

    async def _sit(self, people: Examinees, number: int, user_id: str) -> None:
        async with self.database.writing() as session:
            sitting_id = await sittings.begin(
                session, user_id=user_id, occupation_code=people.code(number), seed=people.seeds[number]
            )
        status = Status.IN_PROGRESS
        while status is Status.IN_PROGRESS:
            async with self.database.reading() as session:
                now = await sitting_of(session, user_id=user_id, sitting_id=sitting_id)
            status = await self._answer(people, number, user_id, now)

    async def _answer(self, people: Examinees, number: int, user_id: str, now: SittingNow) -> Status:
        item = bank(now.bank_version).items[now.item_id]
        given = reply(item, is_right=_knows(people, number, item, now))
        began = time.perf_counter()
        async with self.database.writing() as session:
            status = await sittings.answer(
                session, user_id=user_id, sitting_id=now.id, question=now.question, answer=given
            )
        self.times.append(1000 * (time.perf_counter() - began))
        return status

    async def _read(self, people: Examinees, ids: Sequence[str]) -> Readings:
        async with self.database.reading() as session:
            tests, shown, scores = await _tests(session, ids), await _shown(session, ids), await _scores(session, ids)
        self.recalculated += sum(_is_other(one) for one in scores)
        stored = np.array([[one.air_score, one.ci_lower, one.ci_upper] for one in scores])
        return Readings(
            ability=people.ability,
            theta=_by_component(tests, "current_ability"),
            sd=_by_component(tests, "posterior_sd"),
            length=_by_component(tests, "items_administered").astype(np.int64),
            shown=shown,
            air=people.air,
            air_score=stored[:, 0],
            ci_lower=stored[:, 1],
            ci_upper=stored[:, 2],
        )

    def told(self, differing: int) -> Served:
        p50, p95 = (quantile(self.times, q) for q in (0.5, 0.95))
        return Served(len(self.times), p50, p95, self.recalculated, differing)


def differing(core: Readings, stored: Readings) -> int:
    """How many examinees the services gave another test, or another estimate, than the pure core did."""
    alike = (core.length == stored.length) & _near(core.theta, stored.theta) & _near(core.sd, stored.sd)
    alike_score = _near(core.air_score, stored.air_score)
    return int((~(alike.all(axis=1) & alike_score)).sum()) if (core.shown == stored.shown).all() else len(core.air)


def _near(one: Floats, other: Floats) -> Any:
    return np.abs(one - other) <= 10.0**-DIGITS


def _knows(people: Examinees, number: int, item: AnyItem, now: SittingNow) -> bool:
    component = COMPONENTS.index(now.component)
    return people.is_right(number, component, now.position, b=float(item.level), c=item.GUESSING)


async def _tests(session: Session, ids: Sequence[str]) -> list[Assessment]:
    """In the order of the users, then of the components."""
    found = list(await session.scalars(select(Assessment).where(Assessment.user_id.in_(ids))))
    order = {user_id: number for number, user_id in enumerate(ids)}
    return sorted(found, key=lambda one: (order[one.user_id], COMPONENTS.index(one.component)))


async def _scores(session: Session, ids: Sequence[str]) -> list[AIRScore]:
    """Of sittings that are completed, in the order of the users. Raises KeyError where one has none."""
    statement = (
        select(AIRScore).join(Sitting, Sitting.id == AIRScore.sitting_id).where(Sitting.status == Status.COMPLETED)
    )
    found = {one.user_id: one for one in await session.scalars(statement.where(AIRScore.user_id.in_(ids)))}
    return [found[user_id] for user_id in ids]


async def _shown(session: Session, ids: Sequence[str]) -> Any:
    """By component and place in its pool: to how many it was shown."""
    statement = (
        select(Assessment.component, Response.item_id)
        .join(Response, Response.assessment_id == Assessment.id)
        .where(Assessment.user_id.in_(ids))
    )
    of_components = pools()
    shown = np.zeros((len(of_components), len(of_components[0].ids)), dtype=np.int64)
    rows: Sequence[Row[Any]] = (await session.execute(statement)).all()
    for component, item_id in rows:
        number = COMPONENTS.index(component)
        shown[number, of_components[number].numbers[item_id]] += 1
    return shown


def _by_component(tests: Sequence[Assessment], name: str) -> Floats:
    return np.array([getattr(one, name) for one in tests], dtype=np.float64).reshape(-1, len(COMPONENTS))


def _is_other(stored: AIRScore) -> bool:
    """Whether its metadata alone, as JSON, gives another score than the one that is stored."""
    again = recalculate(msgspec.json.decode(msgspec.json.encode(stored.calculation_metadata)))
    same = all(getattr(stored, f"{name}_score") == getattr(again, name) for name in SCORE)
    return not (same and (stored.ci_lower, stored.ci_upper) == (again.ci_lower, again.ci_upper))
