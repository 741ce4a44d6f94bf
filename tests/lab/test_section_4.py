from typing import cast
from urllib.parse import urlencode

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from sqlalchemy import func, select

from accounts.models import User
from accounts.services import create_sample_users
from outbox.models import DomainEvent
from qulab.cache.metrics import Outcome
from qulab.cache.read_through import Cache
from qulab.db.base import utcnow
from qulab.db.engine import Database
from qulab.lab.benches import cache as bench
from qulab.lab.cache_pages import cache_result
from qulab.lab.cache_plots import Times, average_over_ratio, ratio_over_time
from qulab.lab.demonstrations.cache import FETCH_MANY
from qulab.lab.experiments.cache import CacheResult, zipf
from qulab.lab.experiments.cache_kills import Killed
from qulab.lab.experiments.cache_pairs import ContestParameters, ContestResult, Pair
from qulab.lab.experiments.cache_patterns import PATTERNS
from qulab.lab.experiments.cache_strategies import STRATEGIES
from qulab.lab.formulas import average_ms, difference, mathml
from qulab.lab.measure import Spread
from qulab.lab.plots import Bars
from qulab.lab.runs import Kind, SavedRun, save
from tests.lab.conftest import Lab, text_of

HTMX = {"HX-Request": "true"}


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
    async def test_begins_with_an_empty_cache_and_misses_once_for_each_user(self, lab: Lab, database: Database) -> None:
        async with database.writing() as session:
            await create_sample_users(session)
        await lab.run("/lab/4/fetch/user")

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
        run = SavedRun(
            id="id", kind=FETCH_MANY.name, section=4, parameters={}, result=result, environment={}, at=utcnow()
        )

        measured = cache_result(run)["measured"]

        assert measured.difference == pytest.approx(1.0)
        assert (measured.difference_formula, measured.rest) == ("", None)

    async def test_a_stale_hit_is_counted_among_the_hits_and_told_apart(self, lab: Lab, cache: Cache) -> None:
        for outcome in (Outcome.HIT, Outcome.STALE_HIT, Outcome.STALE_HIT, Outcome.MISS):
            cache.metrics.count(outcome, 0.001)

        page = text_of(await lab.get("/lab/4"))

        assert "2 of them stale" in page
        assert "2 × stale hit" in page


class TestPlots:
    def test_h_grows_with_each_hit(self) -> None:
        plot = ratio_over_time(["miss", "hit", "stale hit", "negative hit"])

        assert [(one.x, one.y) for one in plot.series[0].points] == [(1, 0), (2, 1 / 2), (3, 2 / 3), (4, 3 / 4)]
        assert [mark.label for mark in plot.marks] == ["H = 0.750"]

    def test_the_line_is_the_formula_and_the_dot_is_what_was_measured(self) -> None:
        plot = average_over_ratio(Times(0.5, 1.0, 3.0), 4.0, None)

        line, none, dot = plot.series
        assert [(one.x, one.y) for one in line.points] == [(0, 4.0), (1, 1.0)]
        assert [one.y for one in none.points] == [3.0, 3.0]
        assert [(one.x, one.y) for one in dot.points] == [(0.5, 4.0)]
        assert (line.model, none.model, dot.model) == (True, True, False)

    def test_other_values_move_the_model_and_leave_the_dot(self) -> None:
        measured = Times(0.5, 1.0, 3.0)

        plot = average_over_ratio(measured, 4.0, Times(0.9, 2.0, 8.0))

        assert plot.series[0] == average_over_ratio(measured, 4.0, None).series[0]
        assert [(one.x, one.y) for one in plot.series[1].points] == [(0, 10.0), (1, 2.0)]
        assert [one.y for one in plot.series[2].points] == [0, pytest.approx(2.8)]
        assert [(one.x, one.y) for one in plot.series[-1].points] == [(0.5, 4.0)]
        assert [(mark.axis, mark.at) for mark in plot.marks] == [("x", 0.25)]

    def test_another_h_alone_needs_no_second_line(self) -> None:
        plot = average_over_ratio(Times(0.5, 1.0001, 3.0), 4.0, Times(0.9, 1.0, 3.0))

        assert [one.name for one in plot.series] == ["T_avg, measured times", "at your H", "no cache", "mean, measured"]

    @pytest.mark.parametrize(
        ("t_cache", "t_database", "pays_from"), [(1.0, 4.0, 0.25), (0.0, 4.0, 0.0), (4.0, 4.0, None), (5.0, 4.0, None)]
    )
    def test_the_cache_pays_from_where_both_take_as_long(
        self, t_cache: float, t_database: float, pays_from: float | None
    ) -> None:
        times = Times(0.5, t_cache, t_database)

        assert times.pays_from == pays_from
        if pays_from is not None:
            assert Times(pays_from, t_cache, t_database).average == pytest.approx(t_database)


OTHERS = {"ratio": "0.9", "t_cache": "2", "t_database": "8"}


class TestWhatIf:
    async def test_begins_with_what_the_shown_run_measured(self, lab: Lab) -> None:
        run = await lab.run("/lab/4/fetch-many")

        page = text_of(await lab.get(f"/lab/4?run={run.id}"))

        assert f'name="ratio" value="{round(run.result.hits / run.result.fetches, 3)}"' in page
        assert f'name="t_cache" value="{round(run.result.t_cache, 3)}"' in page
        assert f'name="run" value="{run.id}"' in page
        assert "These values are yours" not in page

    async def test_draws_other_values_and_says_from_where_the_cache_pays(self, lab: Lab) -> None:
        run = await lab.run("/lab/4/fetch-many")

        page = text_of(await lab.get(f"/lab/4?{urlencode({'run': run.id, **OTHERS})}"))

        assert "2.80<small>ms</small>" in page
        assert "0.250</dd>" in page
        assert "2.9 times as quick" in page
        assert "These values are yours" in page
        assert "T_avg, measured times" in page
        assert "T_avg, your times" in page

    async def test_without_any_reading_it_takes_values_and_shows_no_number_of_its_own(self, lab: Lab) -> None:
        page = text_of(await lab.get("/lab/4"))
        asked = text_of(await lab.get(f"/lab/4?{urlencode(OTHERS)}"))

        assert "No times were measured yet" in page
        assert "T_avg, measured times" not in asked
        assert "2.80<small>ms</small>" in asked

    async def test_what_is_out_of_bounds_is_refused_at_its_field(self, lab: Lab) -> None:
        answer = await lab.get("/lab/4?ratio=1.5&t_cache=&t_database=0")

        assert answer.status_code == 422
        page = text_of(answer)
        for name, text in (
            ("ratio", "Enter a number from 0 to 1."),
            ("t_cache", "Enter 0 to 60000 ms."),
            ("t_database", "Enter 0.001 to 60000 ms."),
        ):
            problem = page.partition(f'<div id="what_if_{name}_problem">')[2]
            assert text in problem.partition("</div>")[0]
        assert "Nothing is drawn with these values." in page

    async def test_htmx_gets_it_alone_and_the_address_of_its_page(self, lab: Lab) -> None:
        answer = await lab.get(f"/lab/4/what-if?{urlencode(OTHERS)}", headers=HTMX)
        refused = await lab.get("/lab/4/what-if?ratio=2", headers=HTMX)

        page = text_of(answer)
        assert page.startswith('<div class="result" id="what-if-result"')
        assert "2.80<small>ms</small>" in page
        assert answer["HX-Replace-Url"] == f"/lab/4?{urlencode(OTHERS)}"
        problem = '<div id="what_if_ratio_problem" hx-swap-oob="true">'
        assert f"{problem}</div>" in page
        assert refused.status_code == 422
        assert "Enter a number from 0 to 1." in text_of(refused).partition(problem)[2].partition("</div>")[0]

    async def test_without_htmx_its_address_leads_to_the_page(self, lab: Lab) -> None:
        answer = await lab.get("/lab/4/what-if?ratio=0.5")

        assert (answer.status_code, answer["Location"]) == (302, "/lab/4?ratio=0.5#what-if")


def result(**lost: int) -> ContestResult:
    """One pattern; of ten reads of each strategy one was stale; of ten acknowledged writes so many were lost."""
    one = Spread(1.0, 1.0, 1.0, 1)
    pairs = [
        Pair(
            strategy=name,
            pattern=pattern,
            hit_ratio=one,
            loads=one,
            commits=one,
            read_p50=one,
            read_p99=one,
            write_p50=None,
            write_p99=None,
            reads=10,
            stale=1,
            killed=[Killed(10, lost.get(name.replace("-", "_"), 0))] if pattern == "write-heavy" else [],
            trials=[],
        )
        for pattern in PATTERNS
        for name in STRATEGIES
    ]
    return ContestResult(pairs, ContestParameters(), 1.0)


class TestStrategies:
    @pytest.mark.parametrize(
        ("lost", "right"),
        [
            ({}, "none"),
            ({"write_behind": 3}, "write-behind"),
            ({"write_behind": 3, "cache_aside": 4}, "cache-aside"),
            ({"write_behind": 3, "refresh_ahead": 3}, "write-behind"),
        ],
    )
    def test_right_is_who_lost_most_and_of_equals_the_first(self, lost: dict[str, int], right: str) -> None:
        assert bench.verdict(result(**lost)) == right
        assert right in dict(bench.WORKBENCH.predictions)

    def test_of_as_many_the_larger_share_counts(self) -> None:
        told = result(write_behind=3, refresh_ahead=3)
        pairs = [
            replace(one, killed=[Killed(5, 3)]) if one.strategy == "refresh-ahead" and one.killed else one
            for one in told.pairs
        ]

        assert bench.verdict(replace(told, pairs=pairs)) == "refresh-ahead"

    def test_figures_and_bars_are_shares_over_all_patterns(self) -> None:
        told = result(write_behind=3)

        figures = {one.name: (one.value, one.text, one.better) for one in bench.figures(told)}
        assert figures["read-through: stale reads"] == (10.0, "4 of 40", "lower")
        assert figures["write-behind: lost writes"] == (30.0, "3 of 10", "lower")
        assert figures["read-through: lost writes"] == (0.0, "0 of 10", "lower")
        stale, lost, p99 = cast("list[Bars]", bench.plots(told, {}))
        assert [one.text for one in stale.bars] == ["10.0 % · 4 of 40"] * 5
        assert [one.value for one in lost.bars] == [0, 0, 0, 30.0, 0]
        assert len(p99.bars) == 20

    async def test_a_run_shows_what_was_expected_and_each_strategy_under_each_pattern(
        self, lab: Lab, database: Database
    ) -> None:
        told = result(write_behind=3)
        async with database.writing() as session:
            kind = Kind.known["cache-strategies"]
            run_id = await save(session, kind, told, database=database, parameters={"expected": "write-through"})

        page = text_of(await lab.get(f"/lab/4?run={run_id}"))

        assert "<b>You expected:</b> write-through. <b>Measured:</b> write-behind." in page
        table = page[page.index('<table class="strategies">') :]
        table = table[: table.index("</table>")]
        for pattern in PATTERNS:
            assert f"<b>{pattern}</b>" in table
        assert [table.count(f'<th scope="row">{name}</th>') for name in STRATEGIES] == [4] * 5
        assert table.count("3 of 10</td>") == 1
        assert table.count("0 of 10</td>") == 4
        assert "Hit ratio alone hides the two that matter." in page

    async def test_what_is_out_of_bounds_is_refused(self, lab: Lab) -> None:
        answer = await lab.send("/lab/runs/start/cache-strategies", operations=201, concurrency="", kills=0)

        assert answer.status_code == 422
        assert "Enter a whole number from 10 to 200." in text_of(answer)
        assert "Enter a whole number from 1 to 16." in text_of(answer)


class TestStructures:
    async def test_shows_keys_that_exist_by_their_structure(self, lab: Lab, streams_client: Redis) -> None:
        await streams_client.xadd("events:Order", {"event": "x"})
        await streams_client.hset("outbox:e:0:map", mapping={"a": "1", "b": "2"})

        page = text_of(await lab.get("/lab/4"))

        assert "events:Order" in page
        assert "fields: 2" in page
        assert "entries: 1" in page
