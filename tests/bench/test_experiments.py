import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from sqlalchemy import event

from qulab.db.engine import Database, get_database
from qulab.lab.experiments import (
    Bench,
    Busy,
    admin_lists,
    alone,
    cache,
    cache_bench,
    cascade,
    pages,
    pool_sweep,
    pool_ways,
    queries,
    repository_questions,
    sign_in,
)
from qulab.lab.experiments.cache_pairs import ContestParameters
from qulab.lab.experiments.in_process import PageFailed
from qulab.lab.experiments.registry import EXPERIMENTS
from qulab.lab.experiments.simulation_result import SimulationParameters
from qulab.lab.experiments.tables import lines
from tests.bench.conftest import SMALL_OUTBOX, Traces, Watched

SMALL: dict[str, msgspec.Struct] = {
    "cascade": cascade.CascadeParameters(scores=8, others=40, repeats=2),
    "pool-sweep": pool_sweep.SweepParameters(size=3, overflow=1, concurrency=4, requests=12, work_ms=1, repeats=2),
    "pool": pool_ways.PoolBenchParameters(requests=20, concurrency=8, work_ms=2, size=3, overflow=2, repeats=2),
    "queries": queries.QueriesParameters(users=5, scores_per_user=2, repeats=2),
    "cache": cache_bench.ReportParameters(users=10, fetches=40, repeats=2, peer_rounds=0),
    "cache-strategies": ContestParameters(operations=5, concurrency=2, users=5, repeats=1, kills=0, period_ms=1000),
    "repository": repository_questions.RepositoryParameters(rows=60, rounds=2, calls=2),
    "outbox": SMALL_OUTBOX,
    "simulation": SimulationParameters(examinees=20),
}
PAGES = pages.PagesParameters(users=210, scores_per_user=1, events=110, repeats=1)


class ShortHasher(PBKDF2PasswordHasher):
    """The real one, with a twentieth of the work."""

    iterations = 50_000


@contextmanager
def cancelled_at(step: int) -> Iterator[Any]:
    """A Progress that cancels the task it is called in."""
    calls = 0

    def progress(_done: int, _total: int) -> None:
        nonlocal calls
        calls += 1
        if calls == step:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

    yield progress


async def run(name: str, bench: Bench) -> tuple[msgspec.Struct, Watched]:
    progress = Watched()
    return await EXPERIMENTS[name].run(SMALL[name], bench, progress), progress


@pytest.mark.parametrize("name", SMALL)
class TestEveryExperiment:
    async def test_leaves_the_application_and_the_scratch_places_as_they_were(
        self, bench: Bench, traces: Traces, name: str
    ) -> None:
        rows = await traces.rows()

        result, progress = await run(name, bench)

        assert await traces.all() == {"rows": rows, "keys": {}, "places": 0}
        assert progress.reached_its_total, progress.told
        self.is_told_as_a_table_whose_columns_line_up(name, result)

    def is_told_as_a_table_whose_columns_line_up(self, name: str, result: msgspec.Struct) -> None:
        table = EXPERIMENTS[name].rows(result)

        head, rule, *rows = list(lines(table))[: 2 + len(table.rows)]
        assert len(rows) == len(table.rows)
        assert len(head) <= len(rule)
        assert {len(row) for row in table.rows} == {len(table.headings)}

    async def test_leaves_nothing_behind_when_it_is_cancelled(self, bench: Bench, traces: Traces, name: str) -> None:
        before = await traces.all()

        with cancelled_at(2) as progress, pytest.raises(asyncio.CancelledError):
            await asyncio.ensure_future(EXPERIMENTS[name].run(SMALL[name], bench, progress))

        assert await traces.all() == before

    async def test_leaves_nothing_behind_when_it_fails(self, bench: Bench, traces: Traces, name: str) -> None:
        before = await traces.all()

        def fail(done: int, _total: int) -> None:
            if done:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await EXPERIMENTS[name].run(SMALL[name], bench, fail)

        assert await traces.all() == before

    async def test_a_second_one_in_this_process_is_refused(self, bench: Bench, traces: Traces, name: str) -> None:
        with alone(), pytest.raises(Busy):
            await EXPERIMENTS[name].run(SMALL[name], bench, Watched())

        assert await traces.places() == 0


class TestQueries:
    async def test_200_users_take_201_statements_lazily_and_2_eagerly(self, bench: Bench) -> None:
        result = await queries.run(queries.QueriesParameters(repeats=1), bench)

        assert {one.name: one.statements for one in result.variants if not one.error} == {
            "lazy": 201,
            "selectinload": 2,
            "joinedload": 1,
        }


class TestPool:
    async def test_all_ways_stay_within_the_same_bounds_and_do_the_same_work(self, bench: Bench) -> None:
        result = await pool_ways.compare(SMALL["pool"], bench)  # type: ignore[arg-type]

        assert [way.name for way in result.ways] == ["pool", "SQLAlchemy's pool", "connect each time"]
        for way in result.ways:
            assert (way.throughput.n, way.failed) == (2, 0)
            assert 1 < way.peak <= 5
            assert all(one.finished == 20 for one in way.rounds)

    async def test_only_one_of_the_ways_connects_for_each_request(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened: list[int] = []

        class Counted(Database):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(*arguments, **options)
                place = len(opened)
                opened.append(0)

                @event.listens_for(self.engine.sync_engine, "connect")
                def count(*_: Any) -> None:
                    opened[place] += 1

        monkeypatch.setattr("qulab.db.engine.Database", Counted)

        await pool_ways.compare(SMALL["pool"], bench)  # type: ignore[arg-type]

        *_scratch, kept, kept_by_sqlalchemy, each_time = opened
        assert max(kept, kept_by_sqlalchemy) <= 5 * 3  # overflow is closed after each round
        assert each_time == 20 * 3

    async def test_sqlalchemys_way_lends_past_the_fair_one(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        counts: list[int] = []

        class Remembered(Database):
            async def close(self) -> None:
                counts.append(self.waits.count)  # FairPool counts what it lends
                await super().close()

        monkeypatch.setattr("qulab.db.engine.Database", Remembered)

        await pool_ways.compare(SMALL["pool"], bench)  # type: ignore[arg-type]

        each_time, sqlalchemys, fair, *_scratch = counts  # the last opened is closed first
        assert (each_time, sqlalchemys, fair) == (60, 0, 60)


class TestCache:
    async def test_each_round_begins_with_an_empty_cache(self, bench: Bench) -> None:
        result = await cache_bench.run(SMALL["cache"], bench)  # type: ignore[arg-type]

        asked = len(set(cache.zipf([str(i) for i in range(10)], 40, seed=1, skew=1.1)))
        assert [(one.misses, one.hits, one.bypassed) for one in result.rounds] == [(asked, 40 - asked, 0)] * 2
        assert result.hit_ratio.median == pytest.approx((40 - asked) / 40)
        assert result.hit is not None
        assert result.miss is not None
        assert result.hit.median < result.miss.median


class TestAdmin:
    async def test_asks_as_staff_and_leaves_nothing(self, bench: Bench, traces: Traces, progress: Watched) -> None:
        before = await traces.all()

        result = await admin_lists.run(admin_lists.AdminParameters(rows=300, repeats=1), bench, progress)

        found = {one.what: one for one in result.pages}
        assert all(one.statements <= 3 for one in result.pages)
        assert found["users by name, page 1"].rows == found["users by name, page 3"].rows == 50
        assert found["users by -created, the last page"].rows == 50
        assert found["users, a text of one"].rows == found["users, an id"].rows == 1
        assert found["users, a text of none"].rows == 0
        assert found["users, a text of none"].statements == 2
        assert found["events, dead"].rows == 3
        assert [(one.form, one.rows) for one in result.files] == [("csv", 301), ("json", 301)]
        assert all(one.deep > 0 and one.last > 0 for one in result.ratios)
        assert {len(row) for row in admin_lists.rows(result).rows} == {len(admin_lists.rows(result).headings)}
        assert progress.reached_its_total
        assert await traces.all() == before


class TestSignIn:
    async def test_measures_both_kinds_and_the_others_and_leaves_nothing(
        self, bench: Bench, traces: Traces, progress: Watched, settings: Any
    ) -> None:
        settings.PASSWORD_HASHERS = ["tests.bench.test_experiments.ShortHasher"]
        before = await traces.all()

        result = await sign_in.run(sign_in.SignInParameters(tries=3), bench, progress)

        assert (result.known.n, result.unknown.n) == (3, 3)
        assert result.known.low > 0
        assert 0 <= result.difference < 1
        assert result.others_alone.n == result.others_meanwhile.n > 0
        assert {len(row) for row in sign_in.rows(result).rows} == {len(sign_in.rows(result).headings)}
        assert progress.reached_its_total
        assert await traces.all() == before


class TestPages:
    async def test_no_list_page_takes_more_than_three_statements_and_the_last_is_full_as_the_first(
        self, bench: Bench, traces: Traces, progress: Watched
    ) -> None:
        before = await traces.all()

        result = await pages.run(PAGES, bench, progress)

        assert {one.name for one in result.lists} == {"users", "assessments", "scores", "events"}
        for one in result.lists:
            assert 0 < one.statements <= 3
            assert one.first.rows == one.middle.rows == one.last.rows == 50
            assert len({one.first.address, one.middle.address, one.last.address}) == 3
        assert {len(row) for row in pages.rows(result).rows} == {len(pages.rows(result).headings)}
        assert progress.reached_its_total
        assert await traces.all() == before

    async def test_gives_back_what_it_lent_and_leaves_nothing_when_it_fails(
        self, bench: Bench, traces: Traces, settings: Any
    ) -> None:
        before = await traces.all()
        settings.ALLOWED_HOSTS = ["qulab.example.com"]

        with pytest.raises(PageFailed, match="DJANGO_ALLOWED_HOSTS must name localhost"):
            await pages.run(PAGES, bench)

        assert get_database() is bench.database
        assert await traces.all() == before
