"""Prune leaves a group what it has yet to read or acknowledge, and the inbox what may come again."""

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from outbox import consumer as consumers
from outbox import pruning, streams
from outbox.consumer import Consumer
from outbox.envelope import Envelope
from outbox.models import Status
from outbox.relay import Relay
from outbox.repositories import InboxRepository
from outbox.services import replay
from outbox.streams import Trimmed
from qulab.db.engine import Database
from qulab.db.session import Session
from tests.admin.conftest import store
from tests.outbox.helpers import published, write_events
from tests.outbox.retention import MONTH, NOTHING, STREAM, age, ended, ids, inbox, next_millisecond, prune


class TestStreams:
    async def test_are_trimmed_to_the_same_age(self, database: Database, streams_client: Redis, relay: Relay) -> None:
        await write_events(database, 250)
        await relay.drain()
        await next_millisecond(streams_client)

        told = await prune(database, streams_client)

        assert told.streams == [Trimmed(STREAM, 250, 0, [])]
        assert await streams_client.xlen(STREAM) == 0

    async def test_keep_what_is_younger(self, database: Database, streams_client: Redis, relay: Relay) -> None:
        await write_events(database, 3)
        await relay.drain()

        told = await prune(database, streams_client, timedelta(hours=1))

        assert told.streams == [Trimmed(STREAM, 0, 0, [])]
        assert await streams_client.xlen(STREAM) == 3

    async def test_keep_what_a_group_has_not_read_or_not_acknowledged(
        self, database: Database, streams_client: Redis, relay: Relay
    ) -> None:
        await write_events(database, 6, aggregates=1)
        await relay.drain()
        for group in ("unread", "pending", "done"):
            await streams_client.xgroup_create(STREAM, group, id="0")
        await streams_client.xreadgroup("unread", "one", {STREAM: ">"}, count=4, noack=True)
        ((_, entries),) = await streams_client.xreadgroup("pending", "one", {STREAM: ">"})
        await streams_client.xack(STREAM, "pending", *(entry_id for entry_id, _ in entries[:2]))
        await streams_client.xreadgroup("done", "one", {STREAM: ">"}, noack=True)
        await next_millisecond(streams_client)

        told = await prune(database, streams_client)

        assert told.streams == [Trimmed(STREAM, 2, 4, ["pending", "unread"])]
        assert [envelope.data["number"] for envelope in await published(streams_client)] == [2, 3, 4, 5]

    async def test_are_trimmed_as_far_as_the_slowest_group_and_then_to_their_end(
        self, database: Database, streams_client: Redis, relay: Relay
    ) -> None:
        await write_events(database, 4, aggregates=1)
        await relay.drain()
        await streams_client.xgroup_create(STREAM, "slow", id="0")
        await streams_client.xreadgroup("slow", "one", {STREAM: ">"}, count=3, noack=True)
        await next_millisecond(streams_client)
        assert (await prune(database, streams_client)).streams == [Trimmed(STREAM, 3, 1, ["slow"])]
        await streams_client.xreadgroup("slow", "one", {STREAM: ">"}, noack=True)

        told = await prune(database, streams_client)

        assert told.streams == [Trimmed(STREAM, 1, 0, [])]

    async def test_that_are_emptied_are_not_taken_for_lost(
        self, database: Database, streams_client: Redis, relay: Relay
    ) -> None:
        await write_events(database, 3)
        await relay.drain()
        await next_millisecond(streams_client)
        await pruning._trim(streams_client, NOTHING)  # the rows stay: they could be published again
        assert await streams_client.xlen(STREAM) == 0

        tally = await relay.drain()

        assert (tally.recovered, tally.published) == (0, 0)
        assert await streams_client.exists(STREAM)

    async def test_lose_consumers_that_have_nothing_pending_and_are_silent(
        self, database: Database, streams_client: Redis, relay: Relay
    ) -> None:
        await write_events(database, 2, aggregates=1)
        await relay.drain()
        await streams_client.xgroup_create(STREAM, "test", id="0")
        await streams_client.xreadgroup("test", "holds one", {STREAM: ">"}, count=1)
        await streams_client.xgroup_createconsumer(STREAM, "test", "has none")
        await next_millisecond(streams_client)

        assert await streams.dismiss_idle_consumers(streams_client) == 0
        assert await streams.dismiss_idle_consumers(streams_client, NOTHING) == 1

        assert [one["name"] for one in await streams_client.xinfo_consumers(STREAM, "test")] == ["holds one"]


class TestInbox:
    @pytest.fixture(autouse=True)
    def effects(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        effects: list[str] = []

        async def effect(_session: Session, envelope: Envelope) -> None:
            effects.append(envelope.id)

        monkeypatch.setitem(consumers._transactional, "OrderChanged", [effect])
        return effects

    @pytest.fixture
    def consumer(self, database: Database, streams_client: Redis) -> Consumer:
        return Consumer(database, streams_client, "readers", name="one")

    async def test_forgets_events_that_cannot_come_again(
        self, database: Database, streams_client: Redis, relay: Relay, consumer: Consumer
    ) -> None:
        await write_events(database, 3)
        await relay.drain()
        await consumer.step()
        assert len(await inbox(database)) == 3
        await next_millisecond(streams_client)

        told = await prune(database, streams_client)

        assert (told.inbox, told.inbox_kept) == (3, False)
        assert await inbox(database) == set()

    async def test_keeps_events_that_are_still_in_the_outbox(
        self, database: Database, streams_client: Redis, relay: Relay, consumer: Consumer
    ) -> None:
        await write_events(database, 1)
        await relay.drain()
        await consumer.step()
        await age(database, MONTH)
        async with database.writing() as session:
            await replay(session)  # it waits for a relay now

        told = await prune(database, streams_client)

        assert told.inbox == 0
        assert await inbox(database) == await ids(database) != set()

    async def test_keeps_what_was_handled_within_retention(self, database: Database, streams_client: Redis) -> None:
        async with database.writing() as session:
            await InboxRepository(session).enter("readers", "an event that is gone", "OrderChanged")
            await session.commit()

        assert (await prune(database, streams_client, timedelta(hours=1))).inbox == 0

    async def test_keeps_an_event_whose_replay_a_group_has_yet_to_acknowledge(
        self, database: Database, streams_client: Redis, relay: Relay, consumer: Consumer, effects: list[str]
    ) -> None:
        """Its row may be gone, and it was handled long before the oldest entry: the replay is what can come again."""
        await write_events(database, 1)
        await relay.drain()
        await consumer.step()
        async with database.writing() as session:
            await replay(session)
        await relay.drain()
        await age(database, MONTH)
        await next_millisecond(streams_client)

        told = await prune(database, streams_client)
        assert told.streams == [Trimmed(STREAM, 1, 1, ["readers"])]
        assert (told.published, told.inbox, told.inbox_kept) == (1, 0, True)
        assert await consumer.step() == 1

        assert len(effects) == 1
        await next_millisecond(streams_client)
        assert (await prune(database, streams_client)).inbox == 1

    async def test_stays_where_redis_is_away_and_events_go_all_the_same(self, database: Database, away: Redis) -> None:
        await store(database, ended(Status.PUBLISHED, created=MONTH, at=MONTH))
        async with database.writing() as session:
            await InboxRepository(session).enter("readers", "an event that is gone", "OrderChanged")
            await session.commit()

        told = await prune(database, away)

        assert (told.published, told.inbox, told.inbox_kept, told.streams) == (1, 0, True, None)
        assert await inbox(database) == {"an event that is gone"}
