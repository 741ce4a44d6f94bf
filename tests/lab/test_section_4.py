from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select

from accounts.models import User
from accounts.services import create_sample_users
from outbox.models import DomainEvent
from qulab.cache.metrics import Outcome
from qulab.cache.read_through import Cache
from qulab.db.base import utcnow
from qulab.db.engine import Database
from qulab.lab.cache_charts import average_over_ratio, ratio_over_time
from qulab.lab.cache_pages import cache_result
from qulab.lab.demonstrations.cache import FETCH_MANY
from qulab.lab.experiments import alone
from qulab.lab.experiments.cache import CacheResult, zipf
from qulab.lab.experiments.cache_patterns import PATTERNS
from qulab.lab.experiments.cache_strategies import STRATEGIES
from qulab.lab.formulas import average_ms, difference, mathml
from qulab.lab.runs import SavedRun
from tests.lab.conftest import Lab, text_of


class TestFetch:
    @pytest.mark.parametrize("what", ["user", "score"])
    async def test_is_a_miss_then_a_hit_and_a_miss_again_after_invalidation(self, lab: Lab, what: str) -> None:
        outcomes = [(await lab.run(f"/lab/4/fetch/{what}")).result.outcome for _ in range(2)]
        await lab.run("/lab/4/invalidate")
        outcomes.append((await lab.run(f"/lab/4/fetch/{what}")).result.outcome)

        assert outcomes == ["miss", "hit", "miss"]

    async def test_shows_the_key_that_redis_holds(self, lab: Lab, cache: Cache) -> None:
        run = await lab.run("/lab/4/fetch/user")

        entry = run.result.entry
        assert await cache.redis.exists(entry.key)
        assert 3000 < entry.ttl <= 3660  # with the grace
        assert entry.size == await cache.redis.strlen(entry.key)
        assert entry.key in text_of(await lab.get(f"/lab/4?run={run.id}"))

    async def test_the_demo_user_comes_with_a_latest_score(self, lab: Lab) -> None:
        run = await lab.run("/lab/4/fetch/score")

        assert 0 <= run.result.value["air_score"] <= 100


class TestChange:
    async def test_an_update_deletes_the_keys_and_the_next_fetch_reads_the_new_name(
        self, lab: Lab, database: Database
    ) -> None:
        await lab.run("/lab/4/fetch/user")

        run = await lab.run("/lab/4/update")
        fetched = (await lab.run("/lab/4/fetch/user")).result

        assert run.result.before[0].stored
        assert not run.result.after[0].stored
        assert (fetched.outcome, fetched.value["name"]) == ("miss", run.result.name)
        async with database.reading() as session:
            assert await session.scalar(select(User.name).where(User.id == fetched.value["id"])) == run.result.name

    async def test_invalidation_deletes_profile_and_latest_score(self, lab: Lab) -> None:
        await lab.run("/lab/4/fetch/user")
        await lab.run("/lab/4/fetch/score")

        run = await lab.run("/lab/4/invalidate")

        assert [entry.stored for entry in run.result.before] == [True, True]
        assert [entry.stored for entry in run.result.after] == [False, False]

    async def test_a_reset_sets_the_counters_to_zero_and_leaves_the_keys(self, lab: Lab, cache: Cache) -> None:
        fetched = await lab.run("/lab/4/fetch/user")

        await lab.run("/lab/4/reset")

        assert cache.metrics.requests == 0
        assert await cache.redis.exists(fetched.result.entry.key)
        assert "0 requests, so H is undefined." in text_of(await lab.get("/lab/4"))


class TestFetchMany:
    async def test_misses_once_for_each_user_that_was_asked_for(self, lab: Lab, database: Database) -> None:
        async with database.writing() as session:
            await create_sample_users(session)

        result = (await lab.run("/lab/4/fetch-many")).result

        assert (result.fetches, result.users, result.bypassed) == (500, 3, 0)
        assert (result.hits, result.misses) == (497, 3)
        assert result.outcomes.count("hit") == 497

    async def test_puts_measured_values_into_the_formula(self, lab: Lab) -> None:
        run = await lab.run("/lab/4/fetch-many")

        page = text_of(await lab.get(f"/lab/4?run={run.id}"))

        ratio = run.result.hits / run.result.fetches
        assert f"<mn>{ratio:.3f}</mn>" in page
        assert f"<mn>{average_ms(ratio, run.result.t_cache, run.result.t_database):.2f}</mn>" in page

    def test_the_same_seed_asks_in_the_same_order(self) -> None:
        ids = [str(i) for i in range(20)]

        assert zipf(ids, 100, seed=1, skew=1.1) == zipf(ids, 100, seed=1, skew=1.1)
        assert zipf(ids, 100, seed=1, skew=1.1) != zipf(ids, 100, seed=2, skew=1.1)

    def test_the_first_is_asked_for_most(self) -> None:
        order = zipf([str(i) for i in range(20)], 500, seed=1, skew=1.1)

        assert max(set(order), key=order.count) == "0"


class TestForget:
    async def test_shows_a_stale_read_beside_the_true_row(self, lab: Lab, database: Database) -> None:
        fetched = (await lab.run("/lab/4/fetch/user")).result

        run = await lab.run("/lab/4/forget")

        assert (run.result.outcome, run.result.is_stale) == ("hit", True)
        assert run.result.cached == fetched.value
        async with database.reading() as session:
            row = await session.get(User, fetched.value["id"])
        assert row is not None
        assert (run.result.row["name"], run.result.row["version"]) == (row.name, row.version)
        assert run.result.row["name"] != fetched.value["name"]
        page = text_of(await lab.get(f"/lab/4?run={run.id}"))
        assert f"<td>{fetched.value['name']}</td><td>{row.name}</td>" in page
        assert "Invalidate now" in page

    async def test_tells_nobody_so_that_nothing_mends_it(self, lab: Lab, database: Database) -> None:
        await lab.run("/lab/4/fetch/user")
        async with database.reading() as session:
            before = await session.scalar(select(func.count(DomainEvent.id)))

        await lab.run("/lab/4/forget")

        async with database.reading() as session:
            assert await session.scalar(select(func.count(DomainEvent.id))) == before
        assert (await lab.run("/lab/4/fetch/user")).result.outcome == "hit"

    async def test_an_invalidation_mends_it(self, lab: Lab) -> None:
        forgotten = (await lab.run("/lab/4/forget")).result

        await lab.run("/lab/4/invalidate")
        fetched = (await lab.run("/lab/4/fetch/user")).result

        assert (fetched.outcome, fetched.value) == ("miss", forgotten.row)

    @pytest.mark.usefixtures("without_redis")
    async def test_without_redis_nothing_is_stale(self, lab: Lab) -> None:
        run = await lab.run("/lab/4/forget")

        assert (run.result.outcome, run.result.is_stale) == ("bypass", False)
        assert "Invalidate now" not in text_of(await lab.get(f"/lab/4?run={run.id}"))


class TestMean:
    async def test_the_difference_to_the_formula_is_fills_and_a_rest(self, lab: Lab) -> None:
        run = await lab.run("/lab/4/fetch-many")

        page = text_of(await lab.get(f"/lab/4?run={run.id}"))

        result = run.result
        average = average_ms(result.hits / result.fetches, result.t_cache, result.t_database)
        assert result.fills == result.misses > 0
        rest = result.mean - average - result.fills / result.fetches * result.t_fill
        assert rest < result.mean - average
        formula, told = difference(result.mean, average, result.fetches, result.fills, result.t_fill)
        assert told == pytest.approx(rest)
        assert mathml(formula) in page

    def test_a_run_that_was_saved_before_fills_were_counted_claims_nothing_about_them(self) -> None:
        result = CacheResult(
            fetches=2, users=1, seed=1, seconds=1.0, hits=1, misses=1, bypassed=0, mean=3.0, t_cache=1.0,
            t_database=2.0, outcomes=["miss", "hit"],
        )  # fmt: skip
        run = SavedRun("id", FETCH_MANY.name, 4, {}, result, {}, utcnow())

        measured = cache_result(run)["measured"]

        assert measured.difference == pytest.approx(1.0)
        assert (measured.difference_formula, measured.rest) == ("", None)

    async def test_a_stale_hit_is_counted_among_the_hits_and_told_apart(self, lab: Lab, cache: Cache) -> None:
        for outcome in (Outcome.HIT, Outcome.STALE_HIT, Outcome.STALE_HIT, Outcome.MISS):
            cache.metrics.count(outcome, 0.001)

        page = text_of(await lab.get("/lab/4"))

        assert "2 of them stale" in page
        assert "2 × stale hit" in page


class TestCharts:
    def test_h_grows_with_each_hit(self) -> None:
        chart = ratio_over_time(["miss", "hit", "stale hit", "negative hit"])

        heights = [float(point.rpartition(",")[2]) for point in chart.line.removeprefix("M").split("L")]
        assert heights[0] == chart.floor  # H = 0
        assert heights == sorted(heights, reverse=True)  # y grows downwards
        assert (heights[-1], chart.limit_text) == (chart.limit, "0.750")

    def test_the_dot_lies_above_the_line_by_what_the_formula_leaves_out(self) -> None:
        on, above = (average_over_ratio(1.0, 3.0, 0.5, mean) for mean in (2.5, 4.0))

        (_, start), (_, end) = (map(float, point.split(",")) for point in on.line.removeprefix("M").split("L"))
        assert on.dot is not None
        assert above.dot is not None
        assert on.dot.y == pytest.approx((start + end) / 2, abs=0.1)
        assert above.dot.y < on.dot.y
        assert on.dot.x == above.dot.x


FEW = {"operations": 10, "concurrency": 2}


class TestStrategies:
    async def test_shows_each_strategy_under_each_pattern(self, lab: Lab) -> None:
        run = await lab.run("/lab/4/strategies", **FEW)

        page = text_of(await lab.get(f"/lab/4?run={run.id}"))
        assert {(one.strategy, one.pattern) for one in run.result.pairs} == {
            (strategy, pattern) for strategy in STRATEGIES for pattern in PATTERNS
        }
        assert page.count("of 10</td>") == 5  # the scan reads all
        assert "Hit ratio alone hides the two that matter." in page

    async def test_says_that_lost_writes_are_counted_in_the_terminal_and_shows_no_number(self, lab: Lab) -> None:
        run = await lab.run("/lab/4/strategies", **FEW)

        page = text_of(await lab.get(f"/lab/4?run={run.id}"))
        assert {one.lost for one in run.result.pairs} == {None}
        assert "Lost writes are not counted on this page" in page
        assert "<code>manage.py bench cache</code> counts them" in page
        assert ">Lost writes</th>" not in page

    async def test_what_is_out_of_bounds_is_refused(self, lab: Lab) -> None:
        answer = await lab.send("/lab/4/strategies", operations=101, concurrency="")

        assert answer.status_code == 422
        assert "Enter a whole number from 10 to 100." in text_of(answer)
        assert "Enter a whole number from 1 to 16." in text_of(answer)

    async def test_a_second_run_at_the_same_time_is_refused(self, lab: Lab) -> None:
        with alone():
            answer = await lab.send("/lab/4/strategies", **FEW)

        assert answer.status_code == 409
        assert "Another experiment is running" in text_of(answer)

    async def test_without_redis_it_says_so(self, lab: Lab, settings: Any) -> None:
        settings.REDIS_SCRATCH_URL = "redis://127.0.0.1:1/4"

        answer = await lab.send("/lab/4/strategies", **FEW)

        assert answer.status_code == 503
        assert "Redis does not answer" in text_of(answer)


class TestStructures:
    async def test_shows_keys_that_exist_by_their_structure(self, lab: Lab, streams_client: Redis) -> None:
        await streams_client.xadd("events:Order", {"event": "x"})
        await streams_client.hset("outbox:e:0:map", mapping={"a": "1", "b": "2"})

        page = text_of(await lab.get("/lab/4"))

        assert "events:Order" in page
        assert "fields: 2" in page
        assert "entries: 1" in page
