import asyncio

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from redis.asyncio import Redis

from accounts.models import User
from outbox import consumer as consumers
from outbox.consumer import Consumer
from outbox.envelope import Envelope
from outbox.relay import Relay
from outbox.repositories import InboxRepository
from outbox.selectors import inbox_entries
from qulab.cache import keys
from qulab.db.engine import Database
from qulab.db.session import Session
from tests.outbox.helpers import write_events


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> list[Envelope]:
    """Registers a handler with an effect outside the database; the list is its effect."""
    handled: list[Envelope] = []

    async def handler(envelope: Envelope) -> None:
        handled.append(envelope)

    monkeypatch.setitem(consumers._handlers, "OrderChanged", [handler])
    return handled


@pytest.fixture
def consumer(database: Database, streams_client: Redis) -> Consumer:
    return Consumer(database, streams_client, "test", name="one", take_over_after=0)


async def publish(database: Database, streams: Redis, count: int) -> None:
    await write_events(database, count, aggregates=1)
    await Relay(database, streams).drain()


class TestConsumer:
    async def test_handles_each_event_and_acknowledges_it(
        self, database: Database, streams_client: Redis, consumer: Consumer, handled: list[Envelope]
    ) -> None:
        await publish(database, streams_client, 3)

        assert await consumer.step() == 3

        assert [envelope.data["number"] for envelope in handled] == [0, 1, 2]
        assert (await streams_client.xpending("events:Order", "test"))["pending"] == 0
        async with database.reading() as session:
            assert {entry.event_id for entry in await inbox_entries(session)} == {e.id for e in handled}

    async def test_an_event_delivered_twice_has_its_effect_in_the_database_once(
        self, database: Database, streams_client: Redis, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def effect(session: Session, envelope: Envelope) -> None:
            session.add(User(email=f"{envelope.id}@example.com", name="made by an event"))

        monkeypatch.setitem(consumers._transactional, "OrderChanged", [effect])
        await publish(database, streams_client, 1)
        await consumer.step()
        (entry,) = await streams_client.xrange("events:Order")
        await streams_client.xadd("events:Order", entry[1])

        assert await consumer.step() == 1

        async with database.reading() as session:
            from accounts.repositories import UserRepository

            assert await UserRepository(session).count() == 1

    async def test_an_effect_that_fails_leaves_no_inbox_row_and_the_event_comes_again(
        self, database: Database, streams_client: Redis, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failures = [RuntimeError("the mail server is away")]

        async def effect(session: Session, envelope: Envelope) -> None:
            session.add(User(email="a@example.com", name="made by an event"))
            await session.flush()
            if failures:
                raise failures.pop()

        monkeypatch.setitem(consumers._transactional, "OrderChanged", [effect])
        await publish(database, streams_client, 1)

        assert await consumer.step() == 0
        async with database.reading() as session:
            assert await inbox_entries(session) == []
        assert await consumer.step() == 1

    async def test_takes_over_what_a_dead_consumer_left(
        self, database: Database, streams_client: Redis, consumer: Consumer, handled: list[Envelope]
    ) -> None:
        await publish(database, streams_client, 2)
        await streams_client.xgroup_create("events:Order", "test", id="0")
        await streams_client.xreadgroup("test", "dead", {"events:Order": ">"})

        assert await consumer.step() == 2

    async def test_an_event_that_fails_again_and_again_goes_to_the_dead_letters(
        self, database: Database, streams_client: Redis, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fails(envelope: Envelope) -> None:
            raise RuntimeError("never")

        monkeypatch.setitem(consumers._handlers, "OrderChanged", [fails])
        await publish(database, streams_client, 1)

        for _ in range(consumers.MOST_FAILURES):
            await consumer.step()

        assert await streams_client.xlen(keys.dead_letters("test")) == 1
        assert (await streams_client.xpending("events:Order", "test"))["pending"] == 0

    async def test_an_outage_of_the_database_moves_no_event_to_the_dead_letters(
        self, database: Database, streams_client: Redis, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await publish(database, streams_client, 1)

        async def refuse(*_: object) -> bool:
            raise ConnectionRefusedError("no PostgreSQL there")

        with monkeypatch.context() as patch:
            patch.setattr(InboxRepository, "enter", refuse)
            for _ in range(2 * consumers.MOST_FAILURES):
                with pytest.raises(ConnectionRefusedError):
                    await consumer.step()

        assert await consumer.step() == 1
        assert await streams_client.xlen(keys.dead_letters("test")) == 0

    async def test_joins_again_when_redis_came_back_empty(
        self, database: Database, streams_client: Redis, consumer: Consumer, handled: list[Envelope]
    ) -> None:
        await publish(database, streams_client, 1)
        await consumer.step()
        await streams_client.flushdb()
        running = asyncio.create_task(consumer.run())

        await publish(database, streams_client, 1)

        async with asyncio.timeout(10):
            while {envelope.data["number"] for envelope in handled} != {0} or len({e.id for e in handled}) < 2:
                await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


class TestEnvelope:
    async def test_is_read_by_the_cloudevents_sdk(self, database: Database, streams_client: Redis) -> None:
        await publish(database, streams_client, 1)

        ((_, fields),) = await streams_client.xrange("events:Order")
        message = HTTPMessage({"content-type": "application/cloudevents+json"}, fields["event"].encode())
        event = from_http_event(message)

        assert event.get_type() == "OrderChanged"
        assert event.get_source() == "urn:qulab:Order"
        assert event.get_subject() == "0"
        assert event.get_data() == {"number": 0}
        assert event.get_specversion() == "1.0"
