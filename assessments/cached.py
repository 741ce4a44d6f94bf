"""Latest scores through the cache, without answers. A miss loads in a session of its own, never in the request's."""

from django.conf import settings

from accounts.cached import LATEST_AIRSCORE
from assessments.repositories import AIRScoreRepository
from assessments.snapshots import AIRScoreSnapshot
from qulab.cache.read_through import Cache, Lookup
from qulab.cache.spec import CacheSpec
from qulab.db.engine import Database

LATEST_SCORE = CacheSpec(LATEST_AIRSCORE, AIRScoreSnapshot, ttl=settings.CACHE_TTL)


class CachedAIRScoreRepository:
    def __init__(self, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache

    async def get_latest_score_cached(self, user_id: str) -> AIRScoreSnapshot | None:
        return (await self.lookup_latest_score(user_id)).value

    async def lookup_latest_score(self, user_id: str) -> Lookup[AIRScoreSnapshot]:
        """The user's latest score, with how the read was answered."""

        async def load() -> AIRScoreSnapshot | None:
            async with self._database.reading() as session:
                score = await AIRScoreRepository(session).get_latest_score(user_id)
                return AIRScoreSnapshot.of(score).without_answers() if score else None

        return await self._cache.lookup(LATEST_SCORE, user_id, load)
