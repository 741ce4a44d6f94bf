import asyncio
import time
from typing import Any

import pytest
from django.test import AsyncClient
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis
from sqlalchemy import update

from outbox import figures
from outbox.figures import outbox_figures, partition_figures
from outbox.models import OutboxPartition, Status
from outbox.relay import Relay
from outbox.services import pause
from qulab import metrics
from qulab.cache import keys
from qulab.cache.client import create_redis, streams
from qulab.cache.read_through import Cache
from qulab.db.engine import Database, create_database, databases
from tests.admin.conftest import event, store
from tests.outbox.helpers import write_events

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
OUTBOX = {
    "qulab_outbox_depth",
    "qulab_outbox_dead",
    "qulab_outbox_lag_seconds",
    "qulab_outbox_paused",
    "qulab_outbox_published_total",
    "qulab_outbox_repeats_avoided_total",
    "qulab_outbox_recovered_total",
    "qulab_outbox_failed_attempts_total",
}
LABELS = {"stream", "group", "process", "state", "outcome", "part", "le"}


@pytest.fixture
def client(database: Database, streams_client: Redis, cache: Cache, async_client: AsyncClient) -> AsyncClient:
    return async_client


async def scrape(client: AsyncClient) -> Samples:
    """Every sample by its name and labels, as the library's own parser reads the answer."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.content.decode())
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float:
    """The one sample of that name that has these labels."""
    wanted = labels.items()
    (found,) = [one for (called, given), one in samples.items() if called == name and wanted <= dict(given).items()]
    return found


def names(samples: Samples) -> set[str]:
    return {name for name, _ in samples}


class TestMetrics:
    async def test_tell_depth_dead_lag_and_what_relays_did(
        self, client: AsyncClient, database: Database, streams_client: Redis
    ) -> None:
        await write_events(database, 3)
        await Relay(database, streams_client).drain()
        await store(database, event(), event(), event(Status.DEAD))
        async with database.writing() as session:
            counters = {"published": 5, "repeated": 6, "recovered": 7, "failed": 8}
            await session.execute(update(OutboxPartition).values(counters))
            await session.commit()
            count = len(await partition_figures(session))

        told = await scrape(client)

        assert value(told, "qulab_outbox_depth") == 2
        assert value(told, "qulab_outbox_dead") == 1
        assert 0 < value(told, "qulab_outbox_lag_seconds") < 60
        assert value(told, "qulab_outbox_paused") == 0
        assert value(told, "qulab_outbox_published_total") == 5 * count
        assert value(told, "qulab_outbox_repeats_avoided_total") == 6 * count
        assert value(told, "qulab_outbox_recovered_total") == 7 * count
        assert value(told, "qulab_outbox_failed_attempts_total") == 8 * count
        assert (value(told, "qulab_database_up"), value(told, "qulab_redis_up")) == (1, 1)

    async def test_tell_that_publishing_is_paused(self, client: AsyncClient, database: Database) -> None:
        async with database.writing() as session:
            await pause(session)

        assert value(await scrape(client), "qulab_outbox_paused") == 1

    async def test_tell_how_far_each_group_is_in_each_stream(
        self, client: AsyncClient, database: Database, streams_client: Redis
    ) -> None:
        await write_events(database, 5)
        await Relay(database, streams_client).drain()
        await streams_client.xgroup_create("events:Order", "readers", id="0")
        await streams_client.xreadgroup("readers", "one", {"events:Order": ">"}, count=2)
        await streams_client.hset(keys.trimmed("events:Order"), "readers", "4")  # type: ignore[misc]
        await streams_client.xadd(keys.dead_letters("readers"), {"event": "x"})

        told = await scrape(client)

        here = {"stream": "events:Order", "group": "readers"}
        assert value(told, "qulab_stream_length", stream="events:Order") == 5
        assert value(told, "qulab_group_pending", **here) == 2
        assert value(told, "qulab_group_lag", **here) == 3
        assert value(told, "qulab_group_trimmed_unacknowledged_total", **here) == 4
        assert value(told, "qulab_group_dead_letters", group="readers") == 1

    async def test_tell_of_the_pool_and_the_cache_of_this_process(self, client: AsyncClient, cache: Cache) -> None:
        await scrape(client)

        told = await scrape(client)

        assert value(told, "qulab_pool_wait_seconds_count") >= 1
        assert value(told, "qulab_pool_wait_seconds_bucket", le="+Inf") == value(told, "qulab_pool_wait_seconds_count")
        assert value(told, "qulab_pool_connections", state="idle") >= 0
        assert value(told, "qulab_cache_reads_total", outcome="hit") == 0
        assert value(told, "qulab_cache_seconds_bucket", part="loads", le="+Inf") == 0

    async def test_have_labels_that_name_no_person(
        self, client: AsyncClient, database: Database, streams_client: Redis
    ) -> None:
        await write_events(database, 2)
        await Relay(database, streams_client).drain()

        told = await scrape(client)

        assert {name for _, labels in told for name, _ in labels} <= LABELS

    async def test_cost_one_call_to_redis(
        self, client: AsyncClient, database: Database, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await write_events(database, 2)
        await Relay(database, streams_client).drain()
        await scrape(client)  # Redis learns the script
        calls: list[Any] = []
        send = streams_client.execute_command

        async def counting(*arguments: Any, **options: Any) -> Any:
            calls.append(arguments[0])
            return await send(*arguments, **options)

        monkeypatch.setattr(streams_client, "execute_command", counting)
        await scrape(client)

        assert calls == ["EVALSHA"]

    async def test_stop_counting_at_a_bound(
        self, database: Database, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(figures, "MOST_COUNTED", 3)
        await store(database, *(event() for _ in range(5)))

        async with database.reading() as session:
            assert (await outbox_figures(session)).depth == 3
            assert max(one.depth for one in await partition_figures(session)) == 3

    async def test_are_written_as_openmetrics_for_who_asks_for_it(self, client: AsyncClient) -> None:
        answer = await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

        assert answer["Content-Type"].startswith("application/openmetrics-text")
        assert answer.content.endswith(b"# EOF\n")


class TestAway:
    async def test_redis_leaves_its_part_out_and_says_so(self, client: AsyncClient, streams_client: Redis) -> None:
        away = create_redis("redis://127.0.0.1:1/0", timeout=0.2, text=True)
        streams.lend(away)

        told = await scrape(client)

        assert (value(told, "qulab_database_up"), value(told, "qulab_redis_up")) == (1, 0)
        assert names(told) >= OUTBOX
        assert "qulab_stream_length" not in names(told)
        streams.lend(streams_client)
        await away.aclose()

    @pytest.mark.parametrize(
        "url", ["postgresql+asyncpg://nobody@127.0.0.1:1/none", "sqlite+aiosqlite:////no/such/file"]
    )
    async def test_the_database_leaves_its_part_out_and_says_so(
        self, client: AsyncClient, database: Database, url: str
    ) -> None:
        away = create_database(url)
        databases.lend(away)

        told = await scrape(client)

        assert (value(told, "qulab_database_up"), value(told, "qulab_redis_up")) == (0, 1)
        assert not names(told) & OUTBOX
        databases.lend(database)
        await away.close()

    async def test_what_hangs_holds_the_scrape_up_for_less_than_a_second(
        self, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def hang(*_: object) -> None:
            await asyncio.sleep(60)

        monkeypatch.setattr(metrics.streams, "look", hang)
        monkeypatch.setattr(metrics, "outbox_figures", hang)
        monkeypatch.setattr(metrics, "SECONDS", 0.2)
        began = time.monotonic()

        told = await scrape(client)

        assert time.monotonic() - began < 5
        assert (value(told, "qulab_database_up"), value(told, "qulab_redis_up")) == (0, 0)

    def test_a_scrape_is_over_before_prometheus_asks_again(self) -> None:
        assert metrics.SECONDS < 1


class TestAccess:
    async def test_is_closed_from_elsewhere(self, client: AsyncClient) -> None:
        answer = await client.get("/metrics", headers={"x-forwarded-for": "192.0.2.1"})

        assert answer.status_code == 403
        assert b"qulab_outbox" not in answer.content

    async def test_is_read_and_never_written(self, client: AsyncClient) -> None:
        assert (await client.post("/metrics")).status_code == 405
