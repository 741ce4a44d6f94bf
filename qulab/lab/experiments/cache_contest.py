"""Every strategy meets every pattern in each round, on the same operations, from an empty cache; then its writers die.

Who begins changes from round to round: what a busy machine takes from one, it takes from another the next time.
"""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

from django.conf import settings
from redis.asyncio import Redis

from accounts.models import User
from qulab.db.base import new_id
from qulab.db.engine import Database
from qulab.db.loop import raise_if_cancelled
from qulab.lab.experiments import Bench, Experiment, Progress, alone, unseen
from qulab.lab.experiments.cache_kills import Killed, lost, writers
from qulab.lab.experiments.cache_pairs import ContestParameters, ContestResult, pair, rows
from qulab.lab.experiments.cache_patterns import PATTERNS, Pattern, operations
from qulab.lab.experiments.cache_rows import Rows
from qulab.lab.experiments.cache_strategies import STRATEGIES, Strategy, names
from qulab.lab.experiments.cache_trial import Trial, Watch, trial, unwatched
from qulab.lab.experiments.cache_writer import Order
from qulab.lab.experiments.claim import held
from qulab.lab.scratch import Place, joined, place_of, store_users

SAMPLED = 5  # every so many reads
WRITTEN = [one for one in PATTERNS.values() if one.writes]
PAIRS = [(strategy, pattern) for pattern in PATTERNS for strategy in STRATEGIES]
KILLED = [(strategy, pattern.name) for pattern in WRITTEN for strategy in STRATEGIES]

Trials = dict[tuple[str, str], list[Trial]]
Kills = dict[tuple[str, str], list[Killed]]


class Setting:
    """What the trials of one run share."""

    def __init__(
        self, parameters: ContestParameters, database: Database, place: Place, redis: Redis, ids: list[str]
    ) -> None:
        self.parameters = parameters
        self.database = database
        self.redis = redis
        self.period = parameters.period_ms / 1000
        self._place = place
        self._ids = ids

    async def empty_cache(self) -> None:
        await self.redis.delete(*[name for id_ in self._ids for name in names(id_)])

    async def trial(self, strategy: Strategy, pattern: Pattern, turn: int, watch: Watch = unwatched) -> Trial:
        await self.empty_cache()
        asked = self.parameters
        chosen = operations(pattern, self._ids, asked.operations, users=asked.users, seed=asked.seed + turn)
        return await trial(strategy, chosen, concurrency=asked.concurrency, watch=watch)

    def order(self, strategy: str, pattern: str) -> Order:
        return Order(
            place=self._place,
            redis_url=settings.REDIS_SCRATCH_URL,
            strategy=strategy,
            pattern=pattern,
            ids=self._ids,
            users=self.parameters.users,
            seed=self.parameters.seed,
            period=self.period,
        )


class SoFar:
    """Samples of one strategy over all its trials: x is its reads so far, y how many of them were stale."""

    def __init__(self, bench: Bench, name: str) -> None:
        self._bench = bench
        self._name = name
        self._reads = self._stale = 0  # of trials that ended

    def __call__(self, reads: int, stale: int) -> None:
        if reads % SAMPLED == 0:
            self._bench.sample(self._name, self._reads + reads, self._stale + stale)

    def end(self, done: Trial) -> None:
        self._reads += done.reads
        self._stale += done.stale
        self._bench.sample(self._name, self._reads, self._stale)


def steps(parameters: ContestParameters) -> int:
    """What the progress counts: trials, and writers to kill."""
    return len(PAIRS) * parameters.repeats + len(KILLED) * parameters.kills


async def contest(parameters: ContestParameters, bench: Bench, progress: Progress = unseen) -> ContestResult:
    """Raises Busy while another run works, RedisError without Redis, WriterFailed."""
    began, step = time.perf_counter(), _steps(progress, steps(parameters))
    async with _setting(parameters, bench) as setting:
        trials = await _rounds(setting, bench, step)
        killed = await _kills(setting, step) if parameters.kills else {}
    pairs = [
        pair(strategy, pattern, trials[strategy, pattern], killed.get((strategy, pattern), []))
        for strategy, pattern in PAIRS
    ]
    return ContestResult(pairs, parameters, time.perf_counter() - began)


@asynccontextmanager
async def _setting(parameters: ContestParameters, bench: Bench) -> AsyncIterator[Setting]:
    redis = bench.redis()
    await redis.ping()  # before anything is made
    ids = [new_id() for _ in range(max(parameters.users, parameters.operations))]
    keys = [name for id_ in ids for name in names(id_)]
    with alone():
        async with bench.scratch(User) as scratch, held(redis, keys):
            await store_users(scratch, ids)
            place = await place_of(scratch)
            # A pool that keeps a connection for each of them: what opening one costs is no strategy's doing.
            async with joined(place, pool_size=parameters.concurrency) as database:
                yield Setting(parameters, database, place, redis, ids)


async def _rounds(setting: Setting, bench: Bench, step: Iterator[int]) -> Trials:
    trials: Trials = {key: [] for key in PAIRS}
    so_far = {name: SoFar(bench, name) for name in STRATEGIES}
    async with AsyncExitStack() as opened:
        strategies = [
            kind(Rows(setting.database), bench.redis(), period=setting.period) for kind in STRATEGIES.values()
        ]
        for strategy in strategies:
            opened.push_async_callback(strategy.close)
        for strategy in strategies:  # unmeasured: connections are opened, statements compiled, scripts loaded
            await setting.trial(strategy, PATTERNS["write-heavy"], -1)
        for turn in range(setting.parameters.repeats):
            for pattern in PATTERNS.values():
                for strategy in [*strategies[turn % 5 :], *strategies[: turn % 5]]:
                    told = so_far[strategy.name]
                    done = await setting.trial(strategy, pattern, turn, told)
                    told.end(done)
                    trials[strategy.name, pattern.name].append(done)
                    next(step)
    return trials


async def _kills(setting: Setting, step: Iterator[int]) -> Kills:
    killed: Kills = {key: [] for key in KILLED}
    rows = Rows(setting.database)
    async with writers() as ready:
        for number in range(setting.parameters.kills):
            for strategy, pattern in KILLED:
                await setting.empty_cache()
                acknowledged = await ready.killed(setting.order(strategy, pattern), number)
                killed[strategy, pattern].append(lost(acknowledged, await rows.versions()))
                next(step)
    return killed


def _steps(progress: Progress, total: int) -> Iterator[int]:
    """One more with each `next`."""
    for done in range(1, total + 1):
        raise_if_cancelled()  # the client of Redis may have lost it
        progress(done, total)
        yield done


EXPERIMENT = Experiment(
    name="cache-strategies",
    summary="Five strategies under four patterns: stale reads, and writes lost when the writer is killed.",
    parameters=ContestParameters,
    run=contest,
    rows=rows,
    unit="steps",
)
