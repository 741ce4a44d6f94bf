"""A section finds its user ready, whatever was deleted before: nothing is locked behind another section."""

import contextlib

from accounts.models import User
from accounts.repositories import UserRepository
from accounts.services import CACHE_DEMO, EVENT_DEMO, ensure_user
from accounts.snapshots import UserSnapshot
from assessments.repositories import AIRScoreRepository
from assessments.services import SAMPLE_OCCUPATION, calculate_and_store_airscore
from qulab.db.engine import Database
from qulab.db.errors import Conflict, NotFound

CACHE_USER = (CACHE_DEMO, "Cache Demo User")
ATTEMPTS = 5
EVENT_USER = (EVENT_DEMO, "Event Demo User")


async def cache_demo_user(database: Database) -> UserSnapshot:
    """The user of section 4, with a latest score."""
    return await _prepared(database, *CACHE_USER, with_score=True)


async def event_demo_user(database: Database) -> UserSnapshot:
    """The user of section 5."""
    return await _prepared(database, *EVENT_USER, with_score=False)


async def _prepared(database: Database, email: str, name: str, *, with_score: bool) -> UserSnapshot:
    for _ in range(ATTEMPTS):
        found = await _find(database, email, with_score=with_score)
        if found is not None:
            return found
        with contextlib.suppress(Conflict, NotFound):  # another request was first, or has reset the lab meanwhile
            await _create(database, email, name, with_score=with_score)
    raise NotFound(User, email)


async def _find(database: Database, email: str, *, with_score: bool) -> UserSnapshot | None:
    async with database.reading() as session:
        user = await UserRepository(session).get_by_email(email)
        if user is None or (with_score and await AIRScoreRepository(session).get_latest_score(user.id) is None):
            return None
        return UserSnapshot.of(user)


async def _create(database: Database, email: str, name: str, *, with_score: bool) -> None:
    async with database.writing() as session:
        user = await ensure_user(session, email=email, name=name, occupation_code=SAMPLE_OCCUPATION)
        if with_score:
            await calculate_and_store_airscore(
                session, user_id=user.id, occupation_code=SAMPLE_OCCUPATION, fluency=0.6, domain=0.4, adaptive=0.2
            )
