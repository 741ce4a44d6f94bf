import pytest
from redis.asyncio import Redis

from qulab.db.engine import Database
from tests.chaos.harness import Harness


class TestTwoRelays:
    async def test_twenty_kills_over_two_thousand_events_lose_double_and_invert_none(
        self, database: Database, streams_client: Redis, redis_url: str
    ) -> None:
        harness = Harness(database, streams_client, redis_url, seed=1, without_mark=False)

        report = await harness.run(events=2000, kills=20)

        assert report.written == 2000
        assert report.kills_before_commit == 10
        assert report.is_clean, report

    @pytest.mark.parametrize("seed", [2])
    async def test_without_the_mark_comparison_the_same_harness_finds_doubled_events(
        self, database: Database, streams_client: Redis, redis_url: str, seed: int
    ) -> None:
        """The check above can fail: the comparison in the Lua script is what it depends on."""
        harness = Harness(database, streams_client, redis_url, seed=seed, without_mark=True)

        report = await harness.run(events=400, kills=4)

        assert report.doubled
