"""Profiles read through the cache. A miss loads in a session of its own, never in the request's."""

from django.conf import settings

from accounts.repositories import UserRepository
from accounts.snapshots import UserSnapshot
from qulab.cache import keys
from qulab.cache.read_through import Cache, Lookup
from qulab.cache.spec import CacheSpec
from qulab.db.engine import Database

USER = CacheSpec("user", UserSnapshot, ttl=settings.CACHE_TTL)
MOST_DELETED = 1000  # entries in one command
LATEST_AIRSCORE = "latest_airscore"  # the assessments' entry: gone with the profile's


class CachedUserRepository:
    def __init__(self, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache

    async def get_by_id_cached(self, user_id: str) -> UserSnapshot | None:
        return (await self.lookup_by_id(user_id)).value

    async def lookup_by_id(self, user_id: str) -> Lookup[UserSnapshot]:
        """The profile, with how the read was answered."""

        async def load() -> UserSnapshot | None:
            async with self._database.reading() as session:
                user = await UserRepository(session).get_by_id(user_id)
                return UserSnapshot.of(user) if user else None

        return await self._cache.lookup(USER, user_id, load)

    async def invalidate_user_cache(self, user_id: str) -> bool:
        return await invalidate_user_cache(self._cache, user_id)


async def invalidate_user_cache(cache: Cache, *user_ids: str) -> bool:
    """Delete the profiles' and the latest scores' entries. False: Redis was away, and the consumer will do it again."""
    entries = [key for user_id in user_ids for key in (USER.key(user_id), keys.entry(LATEST_AIRSCORE, user_id))]
    # In parts: one DEL of very many keys would hold up every other client of Redis.
    parts = [entries[start : start + MOST_DELETED] for start in range(0, len(entries), MOST_DELETED)]
    return all([await cache.invalidate(*part) for part in parts])
