"""Each fetch goes through the product's cached repositories: hit or miss is their answer."""

from typing import Any

import msgspec
from redis.exceptions import RedisError

from accounts.cached import LATEST_AIRSCORE, USER, CachedUserRepository, invalidate_user_cache
from accounts.repositories import UserRepository
from accounts.services import update_user
from accounts.snapshots import UserSnapshot
from assessments.cached import CachedAIRScoreRepository
from qulab.cache import keys
from qulab.cache.read_through import Cache, Lookup
from qulab.db.engine import Database
from qulab.db.session import Session
from qulab.lab import ownership
from qulab.lab.experiments import cache as experiment
from qulab.lab.runs import Kind


class Entry(msgspec.Struct, frozen=True):
    """One key in Redis: seconds that it still has to live, its size in bytes; None where there is no such key."""

    key: str
    ttl: float | None
    size: int | None

    @property
    def stored(self) -> bool:
        return self.ttl is not None


class Fetched(msgspec.Struct, frozen=True):
    """`what` is "user" or "score"; the time is in milliseconds."""

    what: str
    outcome: str
    milliseconds: float
    value: dict[str, Any]
    entry: Entry | None


class Changed(msgspec.Struct, frozen=True):
    """The keys before and after. `action` is "update", "invalidate" or "reset"; `reached`: whether Redis answered."""

    action: str
    reached: bool
    before: list[Entry]
    after: list[Entry]
    name: str = ""


class Forgotten(msgspec.Struct, frozen=True):
    """What the cache answered after a change that told it nothing, beside the row. `outcome`: of that answer."""

    outcome: str
    cached: dict[str, Any]
    row: dict[str, Any]
    entry: Entry | None

    @property
    def is_stale(self) -> bool:
        return self.cached != self.row


FETCH = Kind(4, "fetch", Fetched)
FETCH_MANY = Kind(4, "fetch-many", experiment.CacheResult)
CHANGE = Kind(4, "cache-change", Changed)
FORGET = Kind(4, "cache-forget", Forgotten)


async def fetch(database: Database, cache: Cache, user_id: str, what: str) -> Fetched:
    lookup: Lookup[Any]
    if what == "score":
        lookup = await CachedAIRScoreRepository(database, cache).lookup_latest_score(user_id)
    else:
        lookup = await CachedUserRepository(database, cache).lookup_by_id(user_id)
    entry = await entries(cache, [_keys(user_id)[what == "score"]])
    return Fetched(
        what=what,
        outcome=str(lookup.outcome),
        milliseconds=1000 * lookup.seconds,
        value=_told(lookup.value),
        entry=entry[0] if entry else None,
    )


def _told(value: Any) -> dict[str, Any]:
    """What of the snapshot a page lists: its plain fields."""
    fields = msgspec.to_builtins(value) if value is not None else {}
    return {name: content for name, content in fields.items() if not isinstance(content, dict)}


async def fetch_many(session: Session, database: Database, cache: Cache) -> experiment.CacheResult:
    """Fetch over the newest users, in a fixed order of popularity. It begins with none of them in the cache."""
    ids = [user.id for user in await ownership.users(database, session, experiment.MOST_USERS)]
    await session.rollback()  # give the connection back: the loads use sessions of their own
    await invalidate_user_cache(cache, *ids)  # so that there are misses: without one nobody knows what a load takes
    return await experiment.fetch_profiles(experiment.CacheParameters(), database, cache, ids)


async def rename(session: Session, cache: Cache, user_id: str) -> Changed:
    """Change the profile, so that the commit deletes its keys. Raises NotFound."""
    before = await entries(cache, _keys(user_id))
    name = _next_name((await UserRepository(session).one(user_id)).name)
    await session.rollback()  # the service begins its own transaction, and can run it again
    user = await update_user(session, user_id=user_id, name=name)
    after = await entries(cache, _keys(user_id))
    return Changed("update", bool(before and after), before, after, user.name)


def _next_name(name: str) -> str:
    return f"Cache Demo User #{int(name.rpartition('#')[2]) + 1 if '#' in name else 2}"


async def forget(session: Session, database: Database, cache: Cache, user_id: str) -> Forgotten:
    """Change the row past the service, so that neither its commit nor its event tells the cache. Raises NotFound."""
    users = CachedUserRepository(database, cache)
    await users.lookup_by_id(user_id)  # so that there is an entry to be wrong
    user = await UserRepository(session).one(user_id)
    user.name = _next_name(user.name)
    await session.commit()
    lookup = await users.lookup_by_id(user_id)
    entry = await entries(cache, _keys(user_id)[:1])
    return Forgotten(
        outcome=str(lookup.outcome),
        cached=_told(lookup.value),
        row=_told(UserSnapshot.of(user)),
        entry=entry[0] if entry else None,
    )


async def invalidate(cache: Cache, user_id: str) -> Changed:
    before = await entries(cache, _keys(user_id))
    reached = await invalidate_user_cache(cache, user_id)
    return Changed("invalidate", reached, before, await entries(cache, _keys(user_id)))


def reset_counters(cache: Cache) -> Changed:
    cache.metrics.reset()
    return Changed("reset", True, [], [])


async def user_entries(cache: Cache, user_id: str) -> list[Entry]:
    """The keys of the user's profile and latest score."""
    return await entries(cache, _keys(user_id))


async def entries(cache: Cache, names: list[str]) -> list[Entry]:
    """The keys as Redis has them now; none when it is away."""
    try:
        async with cache.redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.pttl(name)
                pipeline.strlen(name)
            answers = await pipeline.execute()
    except (RedisError, OSError):
        return []
    pairs = zip(names, answers[::2], answers[1::2], strict=True)
    return [Entry(name, ttl / 1000 if ttl >= 0 else None, size or None) for name, ttl, size in pairs]


def _keys(user_id: str) -> list[str]:
    return [USER.key(user_id), keys.entry(LATEST_AIRSCORE, user_id)]
