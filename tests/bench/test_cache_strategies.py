"""What a strategy promises is tested on one row, with the interleaving forced; what it costs is left to the bench."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from redis.exceptions import RedisError
from sqlalchemy import insert

from accounts.models import User
from accounts.snapshots import UserSnapshot
from qulab.db.engine import Database
from qulab.lab.experiments import Bench, Busy, alone
from qulab.lab.experiments.cache_contest import SAMPLED, SoFar, contest
from qulab.lab.experiments.cache_pairs import ContestParameters, rows
from qulab.lab.experiments.cache_patterns import PATTERNS, Operation, Pattern, operations
from qulab.lab.experiments.cache_rows import Rows
from qulab.lab.experiments.cache_strategies import STRATEGIES, Strategy
from qulab.lab.experiments.cache_trial import Ledger, Trial, trial
from qulab.lab.experiments.tables import lines
from tests.bench.conftest import Traces, Watched

SMALL = ContestParameters(operations=12, concurrency=4, users=5, repeats=1, kills=0, period_ms=1000)
LONG = 1000.0  # seconds: no flush, and no refresh, within a test
IDS = [str(number) for number in range(30)]

Hook = Callable[[], Awaitable[object]]


class HeldRows(Rows):
    """Carries out `between` once: after a load has read the row, and before it returns."""

    between: Hook | None = None

    async def load(self, id_: str) -> UserSnapshot:
        value = await super().load(id_)
        if self.between is not None:
            between, self.between = self.between, None
            await between()
        return value


@pytest.fixture
async def held(bench: Bench) -> AsyncIterator[HeldRows]:
    async with bench.scratch(User) as scratch:
        await store(scratch, IDS[:3])
        yield HeldRows(scratch)
    await bench.redis().flushdb()


async def store(scratch: Database, ids: list[str]) -> None:
    async with scratch.writing() as session:
        await session.execute(insert(User), [{"id": id_, "email": id_, "name": "before"} for id_ in ids])
        await session.commit()


@pytest.fixture
async def strategy(request: pytest.FixtureRequest, held: HeldRows, bench: Bench) -> AsyncIterator[Strategy]:
    one = STRATEGIES[request.param](held, bench.redis(), period=LONG)
    yield one
    await one.close()


def strategies(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("strategy", names, indirect=True)


every_strategy = strategies(*STRATEGIES)


@every_strategy
class TestEveryStrategy:
    async def test_loads_once_and_hits_afterwards(self, strategy: Strategy) -> None:
        first, second = await strategy.read("0"), await strategy.read("0")

        assert (first.hit, second.hit) == (False, True)
        assert first.value == second.value
        assert strategy.rows.loads == 1

    async def test_counts_the_versions_of_a_row(self, strategy: Strategy) -> None:
        await strategy.read("0")

        assert [await strategy.write("0", name) for name in ("a", "b", "c")] == [2, 3, 4]

    async def test_the_database_has_all_that_was_acknowledged_once_it_settled(self, strategy: Strategy) -> None:
        for name in ("a", "b"):
            await asyncio.gather(*(strategy.write(id_, name) for id_ in ("0", "1")))
        await strategy.settle()

        assert await strategy.rows.versions() == {"0": 3, "1": 3, "2": 1}
        assert (await strategy.rows.load("1")).name == "b"


class TestStaleReads:
    @pytest.mark.parametrize(
        ("strategy", "stale"),
        [("read-through", 0), ("write-behind", 0), ("cache-aside", 1), ("write-through", 1), ("refresh-ahead", 1)],
        indirect=["strategy"],
    )
    async def test_after_a_write_that_was_acknowledged_while_a_slow_reader_loaded(
        self, strategy: Strategy, held: HeldRows, stale: int
    ) -> None:
        ledger = Ledger()
        held.between = lambda: ledger.write(strategy, "0")

        await ledger.read(strategy, "0")  # began before the write: what it returns is not stale, but what it stores
        before = ledger.stale
        await ledger.read(strategy, "0")

        assert (before, ledger.stale) == (0, stale)
        assert len(ledger.reads) == 2
        assert len(ledger.writes) == 1

    @strategies("refresh-ahead")
    async def test_of_refresh_ahead_come_after_every_write(self, strategy: Strategy) -> None:
        found = await trial(strategy, asked("0", "!0", "0", "0"), concurrency=1)

        assert (found.reads, found.hits, found.stale) == (3, 2, 2)

    @strategies("read-through", "cache-aside", "write-through", "write-behind")
    async def test_of_the_others_need_two_at_the_same_time(self, strategy: Strategy) -> None:
        found = await trial(strategy, asked("0", "!0", "0", "!0", "!0", "0"), concurrency=1)

        assert (found.reads, found.writes, found.stale) == (3, 3, 0)


def asked(*ids: str) -> Iterator[Operation]:
    """One after the other; those with an exclamation mark write."""
    return (Operation(id_.removeprefix("!"), id_.startswith("!")) for id_ in ids)


class TestTrial:
    @strategies("write-behind")
    async def test_counts_what_is_written_late(self, strategy: Strategy) -> None:
        found = await trial(strategy, asked("!0", "!0", "!1", "2"), concurrency=1)

        assert (found.loads, found.commits) == (3, 1)
        assert await strategy.rows.versions() == {"0": 3, "1": 2, "2": 1}

    @strategies("write-through")
    async def test_counts_each_commit(self, strategy: Strategy) -> None:
        found = await trial(strategy, asked("!0", "!0", "!1", "2"), concurrency=2)

        assert (found.loads, found.commits, found.writes) == (1, 3, 3)

    @strategies("cache-aside")
    async def test_what_one_task_fails_with_ends_all(self, strategy: Strategy, held: HeldRows) -> None:
        async def fail() -> None:
            raise ZeroDivisionError

        held.between = fail

        with pytest.raises(ZeroDivisionError):
            await trial(strategy, asked(*["0"] * 50), concurrency=4)


class TestPatterns:
    @pytest.mark.parametrize("pattern", PATTERNS.values(), ids=lambda pattern: pattern.name)
    def test_the_same_seed_asks_for_the_same(self, pattern: Pattern) -> None:
        first, second, other = (list(operations(pattern, IDS, 30, users=10, seed=seed)) for seed in (1, 1, 2))

        assert first == second
        assert (first == other) is (pattern.name == "scan")

    def test_read_heavy_writes_seldom_and_write_heavy_as_often_as_it_reads(self) -> None:
        parts = [written_part(name) for name in ("read-heavy", "write-heavy", "hot key", "scan")]

        assert parts == pytest.approx([0.05, 0.5, 0.1, 0.0], abs=0.03)

    def test_most_operations_on_a_hot_key_are_about_one_user(self) -> None:
        found = [one.id for one in operations(PATTERNS["hot key"], IDS, 2000, users=10, seed=1)]

        assert found.count(IDS[0]) / 2000 == pytest.approx(0.9, abs=0.03)
        assert set(found) == set(IDS[:10])

    def test_a_scan_reads_each_user_once(self) -> None:
        scan = list(operations(PATTERNS["scan"], IDS, 20, users=5, seed=1))

        assert scan == [Operation(id_, writes=False) for id_ in IDS[:20]]


def written_part(name: str) -> float:
    return sum(one.writes for one in operations(PATTERNS[name], IDS, 2000, users=10, seed=1)) / 2000


class TestSoFar:
    def test_goes_on_from_trial_to_trial(self, bench: Bench) -> None:
        so_far = SoFar(bench, "cache-aside")

        so_far(SAMPLED - 1, 1)
        so_far(SAMPLED, 2)
        so_far.end(a_trial(reads=7, stale=3))
        so_far(SAMPLED, 4)

        assert [(one.x, one.y) for one in bench.samples.kept] == [(SAMPLED, 2), (7, 3), (7 + SAMPLED, 7)]


def a_trial(*, reads: int, stale: int) -> Trial:
    return Trial(
        reads=reads,
        writes=0,
        hits=0,
        stale=stale,
        loads=0,
        commits=0,
        read_p50=1.0,
        read_p99=1.0,
        write_p50=None,
        write_p99=None,
    )


class TestContest:
    async def test_every_strategy_meets_every_pattern_and_leaves_nothing_behind(
        self, bench: Bench, traces: Traces, progress: Watched
    ) -> None:
        before = await traces.all()

        result = await contest(SMALL, bench, progress)

        assert await traces.all() == before
        assert progress.reached_its_total, progress.told
        assert len(result.pairs) == len(STRATEGIES) * len(PATTERNS)
        for pattern in PATTERNS:
            work = {(one.trials[0].reads, one.trials[0].writes) for one in result.pairs if one.pattern == pattern}
            assert len(work) == 1  # the same for all
        assert sum(result.of("read-through", pattern).stale for pattern in PATTERNS) == 0
        assert [result.of(name, "scan").hit_ratio.median for name in STRATEGIES] == [0.0] * 5

    async def test_tells_as_it_goes_how_many_reads_were_stale_so_far(self, bench: Bench) -> None:
        result = await contest(SMALL, bench)

        for name in STRATEGIES:
            told = [(one.x, one.y) for one in bench.samples.kept if one.series == name]
            of_it = [one for one in result.pairs if one.strategy == name]
            assert len(told) == sum(1 + one.reads // SAMPLED for one in of_it)
            assert told == sorted(told)
            assert all(stale <= reads for reads, stale in told)
            assert told[-1] == (sum(one.reads for one in of_it), sum(one.stale for one in of_it))

    async def test_where_no_writer_is_killed_no_lost_writes_are_told(self, bench: Bench) -> None:
        result = await contest(SMALL, bench)

        assert {one.lost for one in result.pairs} == {None}
        text = list(lines(rows(result)))
        assert all(line.endswith("–") for line in text[2:22])
        assert any("no writer was killed" in line for line in text)

    async def test_is_refused_while_another_run_works(self, bench: Bench, traces: Traces) -> None:
        with alone(), pytest.raises(Busy):
            await contest(SMALL, bench)

        assert await traces.places() == 0

    async def test_without_redis_it_fails_before_it_makes_anything(
        self, bench: Bench, traces: Traces, settings: Any
    ) -> None:
        settings.REDIS_SCRATCH_URL = "redis://127.0.0.1:1/4"

        with pytest.raises(RedisError):
            await contest(SMALL, bench)

        assert await traces.places() == 0
