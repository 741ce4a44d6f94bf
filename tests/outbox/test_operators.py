"""Redrive, replay and discard: what an operator may do with events, and what comes of it."""

import pytest
from redis.asyncio import Redis
from sqlalchemy import select, update

from outbox import consumer as consumers
from outbox.consumer import Consumer
from outbox.envelope import Envelope
from outbox.models import DomainEvent, Status
from outbox.relay import Relay
from outbox.selectors import events_by_status
from outbox.services import discard, redrive, replay
from outbox.wake import hints
from qulab.cache import keys
from qulab.db.engine import Database
from qulab.db.session import Session
from tests.outbox.helpers import by_aggregate, published, write_events


async def bury(database: Database, *, aggregate_id: str) -> str:
    """Make the first event of the aggregate a dead letter; returns its id."""
    async with database.writing() as session:
        first = await session.scalar(
            select(DomainEvent.id).where(DomainEvent.aggregate_id == aggregate_id).order_by(DomainEvent.seq).limit(1)
        )
        assert first is not None
        await session.execute(
            update(DomainEvent)
            .where(DomainEvent.id == first)
            .values(status=Status.DEAD, attempts=8, last_error="the broker said no")
        )
        await session.commit()
    return first


async def the_event(database: Database, event_id: str) -> DomainEvent:
    async with database.reading() as session:
        event = await session.get(DomainEvent, event_id)
    assert event is not None
    return event


class TestRedrive:
    async def test_publishes_a_dead_letter_first_and_then_what_waited_behind_it(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        await write_events(database, 6, aggregates=2)
        dead = await bury(database, aggregate_id="0")
        await relay.drain()
        assert by_aggregate(await published(streams_client)) == {"1": [0, 1, 2]}

        async with database.writing() as session:
            count = await redrive(session, DomainEvent.id == dead)
        await relay.drain()

        assert count == 1
        assert by_aggregate(await published(streams_client)) == {"1": [0, 1, 2], "0": [0, 1, 2]}

    async def test_leaves_events_that_are_not_dead_alone(self, database: Database, relay: Relay) -> None:
        await write_events(database, 3)
        await relay.drain()

        async with database.writing() as session:
            assert await redrive(session) == 0
        async with database.reading() as session:
            assert len(await events_by_status(session, Status.PUBLISHED)) == 3

    async def test_wakes_the_relay_when_it_is_committed(self, database: Database, streams_client: Redis) -> None:
        await write_events(database, 1)
        dead = await bury(database, aggregate_id="0")
        await hints.get().sent()
        await streams_client.delete(keys.WAKE)

        async with database.writing() as session:
            await redrive(session, DomainEvent.id == dead)
        await hints.get().sent()

        assert await streams_client.llen(keys.WAKE) == 1


class TestReplay:
    async def test_adds_a_second_entry_whose_effect_in_the_database_a_consumer_does_not_repeat(
        self, database: Database, relay: Relay, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        effects: list[str] = []

        async def effect(_session: Session, envelope: Envelope) -> None:
            effects.append(envelope.id)

        monkeypatch.setitem(consumers._transactional, "OrderChanged", [effect])
        await write_events(database, 3)
        await relay.drain()
        consumer = Consumer(database, streams_client, "readers", name="one")
        await consumer.step()

        async with database.writing() as session:
            count = await replay(session, DomainEvent.aggregate_id == "0")
        await relay.drain()
        await consumer.step()

        envelopes = await published(streams_client)
        assert count == 1
        assert [envelope.subject for envelope in envelopes].count("0") == 2
        assert len({envelope.id for envelope in envelopes}) == 3
        assert len(effects) == 3

    async def test_is_not_forgotten_when_redis_loses_data_before_it_is_published(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        """The batch that Redis still holds has the event in it; that entry is the first one, not the replay."""
        await write_events(database, 2, aggregates=1)
        await relay.drain()
        before = {key: await streams_client.dump(key) for key in await streams_client.keys("*")}
        await write_events(database, 2, aggregates=1)
        await relay.drain()
        async with database.writing() as session:
            replayed = (await session.scalars(select(DomainEvent.id).order_by(DomainEvent.seq).limit(1))).one()
            await replay(session, DomainEvent.id == replayed)
        await streams_client.flushdb()
        for key, value in before.items():
            await streams_client.restore(key, 0, value)

        await relay.drain()

        ids = [envelope.id for envelope in await published(streams_client)]
        assert ids.count(replayed) == 2
        assert len(ids) == 5
        assert (await the_event(database, replayed)).batch == 2

    async def test_leaves_events_that_wait_alone(self, database: Database) -> None:
        await write_events(database, 3)

        async with database.writing() as session:
            assert await replay(session) == 0


class TestDiscard:
    async def test_lets_the_aggregate_flow_and_keeps_reason_and_error(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        await write_events(database, 3, aggregates=1)
        dead = await bury(database, aggregate_id="0")

        async with database.writing() as session:
            count = await discard(session, DomainEvent.id == dead, reason="a test order.")
        await relay.drain()

        assert count == 1
        assert by_aggregate(await published(streams_client)) == {"0": [1, 2]}
        event = await the_event(database, dead)
        assert event.status == Status.DISCARDED
        assert event.last_error == "Discarded: a test order. Before that: the broker said no"

    async def test_refuses_an_empty_reason(self, database: Database) -> None:
        await write_events(database, 1)
        dead = await bury(database, aggregate_id="0")

        async with database.writing() as session:
            with pytest.raises(ValueError, match="needs a reason"):
                await discard(session, DomainEvent.id == dead, reason="  ")

        assert (await the_event(database, dead)).status == Status.DEAD

    async def test_cannot_take_what_is_pending_or_published(self, database: Database, relay: Relay) -> None:
        await write_events(database, 2)
        await relay.drain()
        await write_events(database, 2)

        async with database.writing() as session:
            assert await discard(session, reason="no longer wanted") == 0
