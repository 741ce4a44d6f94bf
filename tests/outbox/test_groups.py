"""Entries that Redis trims away before a group has them are told of, each once, and no other is."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from outbox import consumer as consumers
from outbox import groups
from outbox.consumer import Consumer
from outbox.envelope import Envelope, encode
from qulab.cache import keys
from qulab.db.base import new_id, utcnow
from qulab.db.engine import Database

STREAM = "events:Order"


def envelope(number: int) -> bytes:
    about = {"event_type": "OrderChanged", "aggregate_type": "Order", "aggregate_id": "1"}
    return encode(id_=new_id(), created_at=utcnow(), schema_version=1, headers={}, payload={"number": number}, **about)


async def add(streams: Redis, count: int, stream: str = STREAM) -> list[str]:
    """As the relay leaves it. Returns the ids of the entries."""
    await streams.sadd(keys.STREAMS, stream)  # type: ignore[misc]
    return [await streams.xadd(stream, {"event": envelope(number)}) for number in range(count)]


async def lost(streams: Redis, stream: str = STREAM) -> dict[str, str]:
    found: dict[str, str] = await streams.hgetall(keys.trimmed(stream))  # type: ignore[misc]
    return found


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> list[Envelope]:
    handled: list[Envelope] = []

    async def handler(envelope: Envelope) -> None:
        handled.append(envelope)

    monkeypatch.setitem(consumers._handlers, "OrderChanged", [handler])
    return handled


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "BLOCK", 20)
    monkeypatch.setattr(consumers, "RECONNECT", 0.01)


@pytest.fixture
def warnings(caplog: Any) -> Iterator[Any]:
    with caplog.at_level(logging.WARNING, logger="outbox.groups"):
        yield caplog


@pytest.fixture
def consumer(database: Database, streams_client: Redis) -> Consumer:
    return Consumer(database, streams_client, "test", name="one", take_over_after=0)


class TestTrimmed:
    async def test_before_it_was_delivered_is_counted_and_told_once(
        self, consumer: Consumer, streams_client: Redis, handled: list[Envelope], warnings: Any
    ) -> None:
        await add(streams_client, 2)
        await consumer.step()
        await add(streams_client, 10)
        await streams_client.xtrim(STREAM, maxlen=3, approximate=False)

        assert await consumer.step() == 3
        await add(streams_client, 1)
        assert await consumer.step() == 1

        assert await lost(streams_client) == {"test": "7"}
        assert [record.getMessage()[:60] for record in warnings.records] == [
            "7 entries of events:Order were trimmed before group test had"
        ]

    async def test_twice_is_counted_both_times(
        self, consumer: Consumer, streams_client: Redis, handled: list[Envelope]
    ) -> None:
        for _ in range(2):
            await consumer.step()
            await add(streams_client, 10)
            await streams_client.xtrim(STREAM, maxlen=4, approximate=False)
            await consumer.step()

        assert await lost(streams_client) == {"test": "6"}  # the group of the first round began after the trimming

    async def test_with_nothing_left_behind_it_is_counted_once(
        self, consumer: Consumer, streams_client: Redis, handled: list[Envelope], warnings: Any
    ) -> None:
        await add(streams_client, 1)
        await consumer.step()
        await add(streams_client, 3)
        await streams_client.xtrim(STREAM, maxlen=0, approximate=False)

        for _ in range(3):
            await consumer.step()
        await add(streams_client, 1)
        assert await consumer.step() == 1

        assert await lost(streams_client) == {"test": "3"}
        assert len(warnings.records) == 1

    async def test_after_it_was_delivered_but_not_acknowledged_is_counted(
        self, consumer: Consumer, streams_client: Redis, handled: list[Envelope], warnings: Any
    ) -> None:
        await add(streams_client, 5)
        await streams_client.xgroup_create(STREAM, "test", id="0")
        await streams_client.xreadgroup("test", "dead", {STREAM: ">"}, count=3)
        await streams_client.xtrim(STREAM, maxlen=3, approximate=False)

        assert await consumer.step() == 3

        assert await lost(streams_client) == {"test": "2"}
        assert "2 entries of events:Order were trimmed before group test" in warnings.text
        assert (await streams_client.xpending(STREAM, "test"))["pending"] == 0

    async def test_while_the_consumer_waits_is_counted(
        self, consumer: Consumer, streams_client: Redis, handled: list[Envelope], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A batch that is longer than its stream may be: what the blocked reader gets is not all there was."""
        monkeypatch.setattr(consumers, "BLOCK", 5000)
        await add(streams_client, 1)
        await consumer.step()
        waiting = asyncio.create_task(consumer.step())
        async with asyncio.timeout(10):
            while not (await streams_client.info("clients"))["blocked_clients"]:
                await asyncio.sleep(0.005)

        async with streams_client.pipeline(transaction=True) as pipeline:
            for number in range(5):
                pipeline.xadd(STREAM, {"event": envelope(number)}, maxlen=2, approximate=False)
            await pipeline.execute()

        assert await waiting == 2
        assert await lost(streams_client) == {"test": "3"}

    async def test_after_it_was_acknowledged_is_no_loss(
        self, consumer: Consumer, streams_client: Redis, handled: list[Envelope], warnings: Any
    ) -> None:
        await add(streams_client, 10)
        await consumer.step()
        await streams_client.xtrim(STREAM, maxlen=1, approximate=False)
        await add(streams_client, 2)

        assert await consumer.step() == 2

        assert await lost(streams_client) == {}
        assert not warnings.records

    async def test_before_the_group_existed_is_no_loss(
        self, consumer: Consumer, streams_client: Redis, handled: list[Envelope], warnings: Any
    ) -> None:
        await add(streams_client, 10)
        await streams_client.xtrim(STREAM, maxlen=4, approximate=False)

        assert await consumer.step() == 4
        await add(streams_client, 1)
        assert await consumer.step() == 1

        assert await lost(streams_client) == {}
        assert not warnings.records


class TestTakeOver:
    async def test_reaches_all_that_a_dead_consumer_left_however_much_it_is(
        self, consumer: Consumer, streams_client: Redis, handled: list[Envelope]
    ) -> None:
        count = 3 * groups.TAKE_OVER_COUNT + 1
        await add(streams_client, count)
        await streams_client.xgroup_create(STREAM, "test", id="0")
        await streams_client.xreadgroup("test", "dead", {STREAM: ">"})

        steps = [await consumer.step() for _ in range(5)]

        assert sum(steps) == count
        assert max(steps) == groups.TAKE_OVER_COUNT
        assert (await streams_client.xpending(STREAM, "test"))["pending"] == 0

    async def test_goes_on_behind_what_fails(
        self, consumer: Consumer, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As many entries as one look takes fail; what is behind them is reached all the same."""
        reached: list[int] = []

        async def handler(envelope: Envelope) -> None:
            if envelope.data["number"] < groups.TAKE_OVER_COUNT:
                raise RuntimeError("never")
            reached.append(envelope.data["number"])

        monkeypatch.setitem(consumers._handlers, "OrderChanged", [handler])
        await add(streams_client, groups.TAKE_OVER_COUNT + 1)
        await streams_client.xgroup_create(STREAM, "test", id="0")
        await streams_client.xreadgroup("test", "dead", {STREAM: ">"})

        for _ in range(2):
            await consumer.step()

        assert reached == [groups.TAKE_OVER_COUNT]

    async def test_leaves_what_another_consumer_has_at_hand(
        self, database: Database, streams_client: Redis, handled: list[Envelope]
    ) -> None:
        await add(streams_client, 2)
        await streams_client.xgroup_create(STREAM, "test", id="0")
        await streams_client.xreadgroup("test", "busy", {STREAM: ">"})

        assert await Consumer(database, streams_client, "test", name="one").step() == 0


class TestBuried:
    async def test_leaves_no_count_of_its_failures(
        self, consumer: Consumer, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fails(_envelope: Envelope) -> None:
            raise RuntimeError("never")

        monkeypatch.setitem(consumers._handlers, "OrderChanged", [fails])
        await add(streams_client, 1)

        for _ in range(consumers.MOST_FAILURES):
            await consumer.step()

        assert await streams_client.xlen(keys.dead_letters("test")) == 1
        assert not await streams_client.exists(keys.failures("test"))


class TestMissingStream:
    async def test_is_not_made_by_the_consumer_since_the_relay_must_see_that_it_is_missing(
        self, consumer: Consumer, streams_client: Redis, handled: list[Envelope]
    ) -> None:
        await add(streams_client, 1)
        await consumer.step()
        await streams_client.delete(STREAM)

        with pytest.raises(ResponseError):
            await consumer.step()
        consumer._member.forget()  # as `run` does
        await consumer.step()

        assert not await streams_client.exists(STREAM)

    async def test_holds_up_no_other_and_is_joined_when_it_is_back(
        self, consumer: Consumer, streams_client: Redis, handled: list[Envelope]
    ) -> None:
        await add(streams_client, 1)
        await add(streams_client, 1, "events:Other")
        running = asyncio.create_task(consumer.run())
        await _until(lambda: len(handled) == 2)

        await streams_client.delete(STREAM)
        await add(streams_client, 1, "events:Other")
        await _until(lambda: len(handled) == 3)
        await add(streams_client, 1)
        await _until(lambda: len(handled) == 4)

        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _until(holds: Any) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)
