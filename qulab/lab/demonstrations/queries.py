"""One user is fetched in two ways from the application's own rows, and each statement is listed."""

import time
from collections.abc import Awaitable, Callable

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session as SyncSession
from sqlalchemy.orm import lazyload

from accounts.models import User
from accounts.repositories import UserRepository
from assessments.services import add_sample_scores
from assessments.snapshots import AIRScoreSnapshot
from qulab.db.engine import Database
from qulab.db.errors import NotFound
from qulab.db.probe import Statement, probe
from qulab.db.session import Session
from qulab.lab.runs import Kind


class AddedScores(msgspec.Struct, frozen=True):
    user_id: str
    user_name: str
    scores: list[AIRScoreSnapshot]
    statements: list[Statement]
    count: int
    total_ms: float


class FetchedUser(msgspec.Struct, frozen=True):
    how: str
    user_id: str
    user_name: str
    scores: list[float]
    statements: list[Statement]
    count: int
    total_ms: float


ADD_SCORES = Kind(3, "add-scores", AddedScores)
FETCH_USER = Kind(3, "fetch-user", FetchedUser)


async def add_scores(session: Session, database: Database, user_id: str) -> AddedScores:
    """Raises NotFound."""
    name = (await UserRepository(session).one(user_id)).name
    await session.rollback()  # the service begins its own transaction, and can run it again
    with probe(database.engine) as opened:
        began = time.perf_counter()
        scores = await add_sample_scores(session, user_id=user_id)
        total_ms = 1000 * (time.perf_counter() - began)
    snapshots = [AIRScoreSnapshot.of(score) for score in scores]
    return AddedScores(user_id, name, snapshots, opened.statements, opened.count, total_ms)


async def fetch(database: Database, user_id: str, how: str) -> FetchedUser:
    """`how` is "lazy" or "eager". Raises NotFound."""
    async with database.reading() as session:
        await session.connection()
        with probe(database.engine) as opened:
            began = time.perf_counter()
            user, scores = await FETCHES[how](session, user_id)
            total_ms = 1000 * (time.perf_counter() - began)
    return FetchedUser(how, user_id, user.name, scores, opened.statements, opened.count, total_ms)


async def fetch_lazily(session: Session, user_id: str) -> tuple[User, list[float]]:
    return await session.run_sync(touch_scores, user_id)


def touch_scores(session: SyncSession, user_id: str) -> tuple[User, list[float]]:
    """The second statement leaves at the moment `user.scores` is touched, wherever that happens to be."""
    user = session.scalars(select(User).where(User.id == user_id).options(lazyload(User.scores))).one_or_none()
    if user is None:
        raise NotFound(User, user_id)
    return user, [score.air_score for score in user.scores]


async def fetch_eagerly(session: Session, user_id: str) -> tuple[User, list[float]]:
    user = await UserRepository(session).get_user_with_scores_eager(user_id)
    if user is None:
        raise NotFound(User, user_id)
    return user, [score.air_score for score in user.scores]


FETCHES: dict[str, Callable[[Session, str], Awaitable[tuple[User, list[float]]]]] = {
    "lazy": fetch_lazily,
    "eager": fetch_eagerly,
}
