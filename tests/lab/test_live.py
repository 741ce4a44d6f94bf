"""A stream is read as a browser reads it: message by message, from a client that speaks ASGI and can leave."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest
from django.http import StreamingHttpResponse
from django.test import AsyncClient
from redis.asyncio import Redis

from outbox.relay import Relay
from outbox.services import pause
from qulab.asgi import application
from qulab.cache import keys
from qulab.cache.client import create_redis, streams
from qulab.db.engine import Database
from qulab.lab.crashes.readings import entries
from qulab.lab.demo_users import event_demo_user
from qulab.lab.live import hub, stream
from qulab.lab.live.hub import MOST_STREAMS, Hub
from qulab.lab.live.hubs import hubs
from qulab.lab.live.reader import MOST_WAITING, Message, Reader
from tests.lean.asgi import Exchange

PATIENCE = 10.0


class Tab:
    """One open stream: what it said so far, and a way to close it."""

    def __init__(self, topics: str) -> None:
        self._exchange = Exchange(f"/live?topics={topics}")
        self._task = asyncio.create_task(self._exchange.with_(application))

    @property
    def text(self) -> str:
        return self._exchange.body.decode()

    @property
    def headers(self) -> dict[str, str]:
        return self._exchange.headers

    @property
    def has_ended(self) -> bool:
        return self._task.done()

    def messages(self, topic: str) -> list[Any]:
        whole = self.text[: self.text.rfind("\n\n") + 2]
        lines = [json.loads(line[6:]) for line in whole.splitlines() if line.startswith("data: ")]
        return [line["data"] for line in lines if line["topic"] == topic]

    async def close(self) -> None:
        self._exchange.leave()
        await asyncio.wait({self._task}, timeout=PATIENCE)
        assert self._task.done()
        self._task.result()


async def until(wanted: Callable[[], Any], seconds: float = PATIENCE) -> None:
    async with asyncio.timeout(seconds):
        while not wanted():
            await asyncio.sleep(0.01)


@pytest.fixture
async def tabs(database: Database, streams_client: Redis) -> AsyncIterator[Callable[[str], Tab]]:
    opened: list[Tab] = []

    def open_(topics: str) -> Tab:
        opened.append(Tab(topics))
        return opened[-1]

    yield open_
    for tab in opened:
        await tab.close()
    await hubs.close()


async def run_topic(redis: Redis, **state: Any) -> str:
    run = str(uuid4())
    if state:
        await redis.set(keys.run_state(run), json.dumps(state))
    return f"run.{run}"


async def publish_until(redis: Redis, topic: str, data: Any, wanted: Callable[[], Any]) -> None:
    """Publish again until it arrived: nobody knows when the stream has subscribed."""
    async with asyncio.timeout(PATIENCE):
        while not wanted():
            await redis.publish(keys.live(topic), json.dumps(data))
            await asyncio.sleep(0.02)


class TestTopics:
    @pytest.mark.parametrize(
        "topics",
        [
            "",
            "nothing",
            "pool,",
            "outbox,secret",
            "redis",
            "run.1",
            "run.*",
            f"run.{uuid4()}x",
            "pool,outbox,run.a,b,c",
        ],
    )
    async def test_what_is_not_on_the_list_is_refused_and_told(
        self, async_client: AsyncClient, database: Database, topics: str
    ) -> None:
        answer = await async_client.get("/live", {"topics": topics})

        assert answer.status_code == 400
        assert "outbox, pool, run.<id>" in answer.content.decode()

    async def test_only_get_is_answered(self, async_client: AsyncClient) -> None:
        assert (await async_client.head("/live?topics=pool")).status_code == 405

    async def test_is_kept_by_nobody_on_its_way(self, async_client: AsyncClient, database: Database) -> None:
        answer = await async_client.get("/live?topics=pool", headers={"Accept-Encoding": "gzip"})

        assert isinstance(answer, StreamingHttpResponse)
        assert answer["Content-Type"] == "text/event-stream"
        assert answer["Cache-Control"] == "no-store, no-transform"
        assert answer["X-Accel-Buffering"] == "no"
        assert "Content-Encoding" not in answer


class TestRuns:
    async def test_begins_with_the_state_that_is_known_and_goes_on_with_news(
        self, tabs: Callable[[str], Tab], streams_client: Redis
    ) -> None:
        topic = await run_topic(streams_client, status="running", done=3)

        tab = tabs(topic)
        await until(lambda: tab.messages(topic))
        await streams_client.publish(keys.live(topic), json.dumps({"status": "running", "done": 4}))
        await until(lambda: len(tab.messages(topic)) == 2)

        assert [one["done"] for one in tab.messages(topic)] == [3, 4]

    async def test_a_tab_hears_of_its_own_run_alone(self, tabs: Callable[[str], Tab], streams_client: Redis) -> None:
        mine, other = await run_topic(streams_client, done=1), await run_topic(streams_client)
        tab = tabs(mine)
        await until(lambda: tab.messages(mine))

        await streams_client.publish(keys.live(other), '{"done": 2}')
        await streams_client.publish(keys.live(mine), '{"done": 3}')
        await until(lambda: len(tab.messages(mine)) == 2)

        assert other not in tab.text

    async def test_a_line_break_in_a_message_does_not_end_it(
        self, tabs: Callable[[str], Tab], streams_client: Redis
    ) -> None:
        topic = await run_topic(streams_client, done=1)
        tab = tabs(topic)
        await until(lambda: tab.messages(topic))

        await streams_client.publish(keys.live(topic), '{\n\n"done":\r\n2}')
        await until(lambda: len(tab.messages(topic)) == 2)

        assert tab.messages(topic)[1] == {"done": 2}


class TestConnections:
    async def test_many_tabs_share_one_connection_to_redis_and_hold_none_to_the_database(
        self, tabs: Callable[[str], Tab], streams_client: Redis, database: Database
    ) -> None:
        topic = await run_topic(streams_client, done=1)
        opened = [tabs(f"{topic},pool") for _ in range(20)]
        await until(lambda: all(tab.messages(topic) and tab.messages("pool") for tab in opened))

        listening = [one for one in await streams_client.client_list() if int(one["psub"])]

        assert len(listening) == 1
        assert database.pool_state().checked_out == 0

    async def test_the_connection_goes_with_the_last_tab(
        self, tabs: Callable[[str], Tab], streams_client: Redis
    ) -> None:
        topic = await run_topic(streams_client, done=1)
        tab = tabs(topic)
        await until(lambda: tab.messages(topic))

        await tab.close()

        async with asyncio.timeout(PATIENCE):
            while [one for one in await streams_client.client_list() if int(one["psub"])]:
                await asyncio.sleep(0.02)

    async def test_one_stream_too_many_is_refused_and_a_closed_tab_makes_room(
        self, tabs: Callable[[str], Tab], async_client: AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hub, "MOST_STREAMS", 2)
        first, second = tabs("pool"), tabs("pool")
        await until(lambda: first.messages("pool") and second.messages("pool"))

        refused = await async_client.get("/live?topics=pool")
        await first.close()
        third = tabs("pool")
        await until(lambda: third.messages("pool"))

        assert refused.status_code == 503
        assert refused["Retry-After"] == "5"
        assert "as many open streams as it allows" in refused.content.decode()

    async def test_ends_when_the_server_stops(self, tabs: Callable[[str], Tab]) -> None:
        tab = tabs("pool")
        await until(lambda: tab.messages("pool"))

        hubs.get().end()
        await until(lambda: tab.has_ended, 1.0)

        late = tabs("pool")
        await until(lambda: late.has_ended, 1.0)

    async def test_says_that_it_lives_when_there_is_no_news(
        self, tabs: Callable[[str], Tab], streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stream, "HEARTBEAT", 0.05)
        tab = tabs(await run_topic(streams_client))

        await until(lambda: tab.text.count(": alive") >= 2)


class TestSlowReader:
    async def test_loses_its_oldest_messages_and_no_other_reader_does(self) -> None:
        hub = Hub({})
        slow, quick = Reader(["run.x"]), Reader(["run.x"])
        hub._readers |= {slow, quick}
        heard: list[Message] = []

        for number in range(MOST_WAITING + 10):
            hub.tell("run.x", str(number).encode())
            heard += await quick.take(1.0)

        late = await slow.take(1.0)
        assert [one.data for one in heard] == [str(number).encode() for number in range(MOST_WAITING + 10)]
        assert [one.data for one in late] == [str(number).encode() for number in range(10, MOST_WAITING + 10)]

    def test_a_process_allows_for_many_tabs_of_few_people(self) -> None:
        assert MOST_STREAMS >= 50


class TestRedisAway:
    async def test_the_stream_says_so_goes_on_and_has_the_state_again_when_redis_is_back(
        self, tabs: Callable[[str], Tab], streams_client: Redis
    ) -> None:
        topic = await run_topic(streams_client, done=1)
        nowhere = create_redis("redis://127.0.0.1:1/0", timeout=0.5, text=True)
        streams.lend(nowhere)
        try:
            tab = tabs(f"{topic},pool")
            await until(lambda: tab.messages("redis") and tab.messages("pool"))
            assert tab.messages("redis") == [{"away": True}]
            assert tab.messages(topic) == []
        finally:
            streams.lend(streams_client)
            await nowhere.aclose()

        await until(lambda: tab.messages(topic))
        assert tab.messages("redis") == [{"away": True}, {"away": False}]
        assert tab.messages(topic) == [{"done": 1}]
        await publish_until(streams_client, topic, {"done": 2}, lambda: {"done": 2} in tab.messages(topic))

    async def test_a_lost_connection_is_noticed_and_made_anew(
        self, tabs: Callable[[str], Tab], streams_client: Redis
    ) -> None:
        topic = await run_topic(streams_client, done=1)
        tab = tabs(topic)
        await until(lambda: tab.messages(topic))

        await streams_client.client_kill_filter(_type="pubsub")

        await until(lambda: {"away": False} in tab.messages("redis"))
        await publish_until(streams_client, topic, {"done": 2}, lambda: {"done": 2} in tab.messages(topic))


class TestPool:
    async def test_is_told_when_it_changes_and_only_then(self, tabs: Callable[[str], Tab], database: Database) -> None:
        tab = tabs("pool")
        await until(lambda: tab.messages("pool"))
        async with database.reading() as session:
            await session.connection()
            await until(lambda: tab.messages("pool")[-1]["checked_out"] == 1)
        await until(lambda: tab.messages("pool")[-1]["checked_out"] == 0)
        told = len(tab.messages("pool"))

        await asyncio.sleep(0.7)  # three looks: only time can show that nothing is told

        assert len(tab.messages("pool")) == told


class TestOutbox:
    async def test_an_event_is_seen_pending_then_published_then_handled(
        self, tabs: Callable[[str], Tab], database: Database, streams_client: Redis
    ) -> None:
        from assessments.services import calculate_and_store_airscore
        from outbox.consumer import Consumer

        user = await event_demo_user(database)
        await Relay(database, streams_client).drain()
        tab = tabs("outbox")
        await until(lambda: any(one.get("html") for one in tab.messages("outbox")))

        async with database.writing() as session:
            _, event = await calculate_and_store_airscore(session, user_id=user.id, occupation_code="15-1252")
        await until(lambda: lane_of(tab, event.id) == "pending")
        assert tab.messages("outbox")[-1]["pending"] == 1
        await Relay(database, streams_client).drain()
        await until(lambda: lane_of(tab, event.id) == "published")
        await Consumer(database, streams_client, "qulab").step()
        await until(lambda: f'data-key="i-qulab-{event.id}"' in newest(tab))

        assert await entries("events:AIRScore", event.id, event.created_at.timestamp()) == 1

    async def test_the_lag_grows_while_the_publisher_is_stopped(
        self, tabs: Callable[[str], Tab], database: Database
    ) -> None:
        await event_demo_user(database)
        async with database.writing() as session:
            await pause(session)

        tab = tabs("outbox")
        await until(lambda: sum("lag" in one for one in tab.messages("outbox")) >= 3)

        lags = [one["lag"] for one in tab.messages("outbox") if "lag" in one]
        assert lags == sorted(lags)
        assert "The publisher is stopped" in newest(tab) or ">stopped<" in newest(tab)

    async def test_a_late_tab_begins_with_the_rows(self, tabs: Callable[[str], Tab], database: Database) -> None:
        await event_demo_user(database)
        first = tabs("outbox")
        await until(lambda: len(first.messages("outbox")) >= 2)

        late = tabs("outbox")
        await until(lambda: late.messages("outbox"))

        assert "html" in late.messages("outbox")[0]

    async def test_a_table_that_cannot_be_read_ends_no_stream(
        self, tabs: Callable[[str], Tab], database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from sqlalchemy.exc import OperationalError

        from outbox import selectors

        pulse, failures = selectors.pulse, [OperationalError("", {}, OSError("gone"), connection_invalidated=True)]

        async def failing(session: Any) -> Any:
            if failures:
                raise failures.pop()
            return await pulse(session)

        monkeypatch.setattr(selectors, "pulse", failing)
        monkeypatch.setattr("qulab.lab.live.outbox.is_outage", lambda error: True)

        tab = tabs("outbox")
        await until(lambda: any(one.get("html") for one in tab.messages("outbox")))

        assert tab.messages("outbox")[0]["away"]


def newest(tab: Tab) -> str:
    htmls = [one["html"] for one in tab.messages("outbox") if one.get("html")]
    return htmls[-1] if htmls else ""


def lane_of(tab: Tab, event_id: str) -> str:
    """The lane that holds the event's slip."""
    before, found, _ = newest(tab).partition(f'data-key="e-{event_id}"')
    return before.rpartition('class="lane lane-')[2].partition('"')[0] if found else ""
