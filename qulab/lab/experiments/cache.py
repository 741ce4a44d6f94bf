"""Each fetch goes through the product's cached repository; hits and misses are its answers.

A page fetches through the cache that serves it; the terminal compares in rounds, on users and a cache of its own.
"""

import random
import time
from collections.abc import AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager
from typing import Annotated

import msgspec
from msgspec import Meta

from accounts.cached import CachedUserRepository, invalidate_user_cache
from accounts.models import User
from accounts.repositories import UserRepository
from accounts.snapshots import UserSnapshot
from qulab.cache.metrics import HITS, Outcome
from qulab.cache.read_through import Cache
from qulab.db.base import new_id
from qulab.db.engine import Database
from qulab.db.loop import raise_if_cancelled
from qulab.lab import formulas
from qulab.lab.experiments import Bench, Progress, Table, alone, unseen
from qulab.lab.experiments.tables import figure, median, median_of
from qulab.lab.measure import Spread, spread
from qulab.lab.scratch import store_users

MOST_USERS = 200


class CacheParameters(msgspec.Struct, frozen=True, kw_only=True):
    """`skew` is the exponent of the Zipf law: the user of rank r is asked for in proportion to 1 / r^skew."""

    fetches: Annotated[int, Meta(ge=1, le=5000, description="reads, one after the other")] = 500
    seed: Annotated[int, Meta(ge=0, le=1_000_000, description="the same seed asks in the same order")] = 1
    skew: Annotated[float, Meta(ge=0, le=3, description="exponent of the Zipf law; 0 asks for all alike")] = 1.1


class CacheResult(msgspec.Struct, frozen=True):
    """Times in milliseconds, None where nothing was measured. `hit`, `miss`: whole reads; `t_…`: one look, load, fill.

    `fills` is None in runs that were saved before they were counted.
    """

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
    hit: float | None = None
    miss: float | None = None
    fills: int | None = None
    t_fill: float | None = None


def zipf(ids: Sequence[str], fetches: int, *, seed: int, skew: float) -> list[str]:
    """`fetches` ids, the first the most popular. The same seed asks in the same order."""
    weights = [1 / rank**skew for rank in range(1, len(ids) + 1)]
    return random.Random(seed).choices(ids, weights, k=fetches)  # noqa: S311 - a workload, no secret


async def fetch_profiles(
    parameters: CacheParameters, database: Database, cache: Cache, ids: Sequence[str]
) -> CacheResult:
    """Fetch profiles one after the other. `ids` must not be empty."""
    users, before = CachedUserRepository(database, cache), cache.metrics.copy()
    began, outcomes, seconds = time.perf_counter(), [], []
    for user_id in zipf(ids, parameters.fetches, seed=parameters.seed, skew=parameters.skew):
        raise_if_cancelled()  # the client of Redis may have lost it
        lookup = await users.lookup_by_id(user_id)
        outcomes.append(lookup.outcome)
        seconds.append(lookup.seconds)
    elapsed, after = time.perf_counter() - began, cache.metrics
    hits = sum(outcome in HITS for outcome in outcomes)
    bypassed, fills = outcomes.count(Outcome.BYPASS), after.fills.since(before.fills)
    return CacheResult(
        fetches=len(outcomes),
        users=len(ids),
        seed=parameters.seed,
        seconds=elapsed,
        hits=hits,
        misses=len(outcomes) - hits - bypassed,
        bypassed=bypassed,
        mean=1000 * sum(seconds) / len(seconds),
        t_cache=_in_ms(after.looks.since(before.looks).mean),
        t_database=_in_ms(after.loads.since(before.loads).mean),
        outcomes=[str(outcome) for outcome in outcomes],
        hit=_mean_of(HITS, outcomes, seconds),
        miss=_mean_of({Outcome.MISS}, outcomes, seconds),
        fills=fills.count,
        t_fill=_in_ms(fills.mean),
    )


def _mean_of(kinds: Set[Outcome], outcomes: list[Outcome], seconds: list[float]) -> float | None:
    of_kind = [one for outcome, one in zip(outcomes, seconds, strict=True) if outcome in kinds]
    return _mean_ms(sum(of_kind), len(of_kind))


def _in_ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def _mean_ms(seconds: float, count: int) -> float | None:
    return 1000 * seconds / count if count > 0 else None


# --- In the terminal -------------------------------------------------------------------------------------------------


class CacheBenchParameters(CacheParameters, frozen=True, kw_only=True):
    users: Annotated[int, Meta(ge=1, le=1000, description="users to read")] = 200
    repeats: Annotated[int, Meta(ge=1, le=20, description="measured rounds, each from an empty cache")] = 5


class CacheComparison(msgspec.Struct, frozen=True):
    """Times in milliseconds, each the mean of one round, as a median over the rounds."""

    users: int
    fetches: int
    hit_ratio: Spread
    average: Spread  # T_avg of the formula
    mean: Spread  # what was measured, fills included
    hit: Spread | None
    miss: Spread | None
    t_cache: Spread | None
    t_database: Spread | None
    t_fill: Spread | None
    without_cache: Spread
    bypassed: int
    rounds: list[CacheResult]


async def compare(parameters: CacheBenchParameters, bench: Bench, progress: Progress = unseen) -> CacheComparison:
    """The same reads with and without the cache, taking turns. Raises RedisError when Redis is away."""
    redis = bench.redis()
    await redis.ping()  # later the cache would hide it, and read from the database
    with alone():
        async with bench.scratch(User) as scratch, closing(Cache(redis)) as cache:
            ids = [new_id() for _ in range(parameters.users)]
            await store_users(scratch, ids)
            rounds = [await _round(parameters, scratch, cache, ids)]
            for turn in range(parameters.repeats):
                progress(turn, parameters.repeats)
                rounds.append(await _round(parameters, scratch, cache, ids))
    progress(parameters.repeats, parameters.repeats)
    # The first round is not measured: in it connections are opened and statements compiled.
    return _comparison(parameters, rounds[1:])


async def _round(
    parameters: CacheBenchParameters, scratch: Database, cache: Cache, ids: Sequence[str]
) -> tuple[CacheResult, float]:
    """The reads with the cache, empty at first; then without, in milliseconds for each."""
    try:
        result = await fetch_profiles(parameters, scratch, cache, ids)
    finally:
        await invalidate_user_cache(cache, *ids)  # a run that is killed leaves entries to their TTL
    asked = zipf(ids, parameters.fetches, seed=parameters.seed, skew=parameters.skew)
    return result, await _read_without_cache(scratch, asked)


@asynccontextmanager
async def closing(cache: Cache) -> AsyncIterator[Cache]:
    """Loads that are under way end before their database does."""
    try:
        yield cache
    finally:
        await cache.close()


async def _read_without_cache(scratch: Database, ids: Sequence[str]) -> float:
    """Mean time (milliseconds) of what a miss loads, once for each read."""
    began = time.perf_counter()
    for user_id in ids:
        async with scratch.reading() as session:
            UserSnapshot.of(await UserRepository(session).one(user_id))
    return 1000 * (time.perf_counter() - began) / len(ids)


def _comparison(parameters: CacheBenchParameters, measured: list[tuple[CacheResult, float]]) -> CacheComparison:
    rounds, without = [one for one, _ in measured], [one for _, one in measured]
    ratios = [one.hits / one.fetches for one in rounds]
    return CacheComparison(
        users=parameters.users,
        fetches=parameters.fetches,
        hit_ratio=spread(ratios),
        average=spread(
            [
                formulas.average_ms(ratio, one.t_cache or 0.0, one.t_database or 0.0)
                for ratio, one in zip(ratios, rounds, strict=True)
            ]
        ),
        mean=spread([one.mean for one in rounds]),
        hit=_spread([one.hit for one in rounds]),
        miss=_spread([one.miss for one in rounds]),
        t_cache=_spread([one.t_cache for one in rounds]),
        t_database=_spread([one.t_database for one in rounds]),
        t_fill=_spread([one.t_fill for one in rounds]),
        without_cache=spread(without),
        bypassed=sum(one.bypassed for one in rounds),
        rounds=rounds,
    )


def _spread(values: Sequence[float | None]) -> Spread | None:
    """Of the rounds in which there was something to measure."""
    measured = [value for value in values if value is not None]
    return spread(measured) if measured else None


def rows(result: CacheComparison) -> Table:
    measured = {
        "H": result.hit_ratio,
        "T_cache, one look": result.t_cache,
        "T_database, one load": result.t_database,
        "T_fill, lease and store": result.t_fill,
        "T_avg by the formula": result.average,
        "mean read, measured": result.mean,
        "  of a hit": result.hit,
        "  of a miss": result.miss,
        "mean read without cache": result.without_cache,
    }
    notes = [f"{result.fetches} reads of {result.users} users in each round, from an empty cache; times in ms."]
    if result.bypassed:
        notes.append(f"{result.bypassed} reads went past the cache: Redis did not answer in time.")
    return Table(
        headings=["", *median_of("median")],
        rows=[[name, *median(one)] for name, one in measured.items() if one is not None],
        notes=[*notes, f"Without the cache a read took {figure(_times(result))} times as long."],
    )


def _times(result: CacheComparison) -> float:
    return result.without_cache.median / result.mean.median
