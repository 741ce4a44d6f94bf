import pytest
from redis.asyncio import Redis
from sqlalchemy import select

from accounts.models import User
from accounts.services import create_sample_users
from qulab.cache.read_through import Cache
from qulab.db.engine import Database
from qulab.lab.experiments.cache import zipf
from qulab.lab.formulas import average_ms
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
        assert 3000 < entry.ttl <= 3600
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


class TestStructures:
    async def test_shows_keys_that_exist_by_their_structure(self, lab: Lab, streams_client: Redis) -> None:
        await streams_client.xadd("events:Order", {"event": "x"})
        await streams_client.hset("outbox:e:0:map", mapping={"a": "1", "b": "2"})

        page = text_of(await lab.get("/lab/4"))

        assert "events:Order" in page
        assert "fields: 2" in page
        assert "entries: 1" in page
