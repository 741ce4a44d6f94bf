"""Each fetch goes through the cache that serves the product; hits and misses are its answers."""

import random
import time
from collections.abc import Sequence
from typing import Annotated

import msgspec

from accounts.cached import CachedUserRepository
from qulab.cache.metrics import Outcome
from qulab.cache.read_through import Cache
from qulab.db.engine import Database

MOST_USERS = 200


class CacheParameters(msgspec.Struct, frozen=True, kw_only=True):
    """`skew` is the exponent of the Zipf law: the user of rank r is asked for in proportion to 1 / r^skew."""

    fetches: Annotated[int, msgspec.Meta(ge=1, le=500)] = 500
    seed: int = 1
    skew: Annotated[float, msgspec.Meta(ge=0, le=3)] = 1.1


class CacheResult(msgspec.Struct, frozen=True):
    """Times in milliseconds; `t_cache` and `t_database` are None where nothing was measured."""

    fetches: int
    users: int
    seed: int
    seconds: float
    hits: int
    misses: int
    bypassed: int
    mean: float
    t_cache: float | None
    t_database: float | None
    outcomes: list[str]


def zipf(ids: Sequence[str], fetches: int, *, seed: int, skew: float) -> list[str]:
    """`fetches` ids, the first the most popular. The same seed asks in the same order."""
    weights = [1 / rank**skew for rank in range(1, len(ids) + 1)]
    return random.Random(seed).choices(ids, weights, k=fetches)  # noqa: S311 - a workload, no secret


async def run(parameters: CacheParameters, database: Database, cache: Cache, ids: Sequence[str]) -> CacheResult:
    """Fetch profiles one after the other. `ids` must not be empty."""
    users, before = CachedUserRepository(database, cache), msgspec.structs.replace(cache.metrics)
    began, outcomes, seconds = time.perf_counter(), [], []
    for user_id in zipf(ids, parameters.fetches, seed=parameters.seed, skew=parameters.skew):
        lookup = await users.lookup_by_id(user_id)
        outcomes.append(lookup.outcome)
        seconds.append(lookup.seconds)
    elapsed, after = time.perf_counter() - began, cache.metrics
    hits = sum(outcome in (Outcome.HIT, Outcome.NEGATIVE_HIT) for outcome in outcomes)
    bypassed = outcomes.count(Outcome.BYPASS)
    return CacheResult(
        fetches=len(outcomes),
        users=len(ids),
        seed=parameters.seed,
        seconds=elapsed,
        hits=hits,
        misses=len(outcomes) - hits - bypassed,
        bypassed=bypassed,
        mean=1000 * sum(seconds) / len(seconds),
        t_cache=_mean_ms(after.cache_seconds_sum - before.cache_seconds_sum, after.cache_reads - before.cache_reads),
        t_database=_mean_ms(after.load_seconds_sum - before.load_seconds_sum, after.loads - before.loads),
        outcomes=[str(outcome) for outcome in outcomes],
    )


def _mean_ms(seconds: float, count: int) -> float | None:
    return 1000 * seconds / count if count > 0 else None
