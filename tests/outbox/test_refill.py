"""A stream that somebody deleted is filled again from the table, once, whoever notices and whenever a relay dies."""

import asyncio
import logging

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select, text

from outbox.marks import Marks
from outbox.models import OutboxPartition
from outbox.refill import refill
from outbox.relay import Relay
from outbox.services import pause, resume
from qulab.db.engine import Database
from tests.outbox.helpers import Died, by_aggregate, die, published, write_events

STREAM = "events:Order"


@pytest.fixture
def marks(streams_client: Redis) -> Marks:
    return Marks(streams_client, stream_maxlen=1000)


async def counter(database: Database, name: str) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.sum(getattr(OutboxPartition, name)))) or 0


class TestDeletedStream:
    async def test_is_filled_again_by_an_idle_relay_that_says_how_many_events_were_lost(
        self, database: Database, relay: Relay, streams_client: Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        await write_events(database, 30)
        await relay.drain()
        await streams_client.delete(STREAM)

        with caplog.at_level(logging.WARNING):
            tally = await relay.drain()

        assert (tally.recovered, tally.published) == (30, 30)
        assert by_aggregate(await published(streams_client)) == {str(n): list(range(10)) for n in range(3)}
        assert "the stream events:Order was deleted: 30 events that were in it are published again" in caplog.text
        assert await counter(database, "recovered") == 30
        assert (await relay.drain()).is_empty

    async def test_does_not_begin_anew_with_later_events_and_keeps_the_order(
        self, database: Database, relay: Relay, streams_client: Redis, marks: Marks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The relay looked before the stream was deleted: it is the script that refuses."""
        await write_events(database, 9)
        await relay.drain()
        look = await marks.look({})
        await streams_client.delete(STREAM)
        await write_events(database, 9)

        async def as_before(*_: object) -> tuple[set[int], bool]:
            return set(), bool(look.gone)

        monkeypatch.setattr(Relay, "_losses", as_before)
        await relay.drain()

        assert by_aggregate(await published(streams_client)) == {str(n): [0, 1, 2, 0, 1, 2] for n in range(3)}

    async def test_leaves_other_streams_alone(self, database: Database, relay: Relay, streams_client: Redis) -> None:
        await write_events(database, 6)
        await write_events(database, 6, aggregate_type="Invoice")
        await relay.drain()
        await streams_client.delete(STREAM)

        await relay.drain()

        assert len(await published(streams_client)) == 6
        assert len(await published(streams_client, "events:Invoice")) == 6

    async def test_is_filled_once_by_many_relays(self, database: Database, streams_client: Redis) -> None:
        await write_events(database, 60, aggregates=12)
        relays = [Relay(database, streams_client, name=str(n)) for n in range(4)]
        await relays[0].drain()
        await streams_client.delete(STREAM)

        for _ in range(3):
            await asyncio.gather(*(one.drain() for one in relays))

        assert by_aggregate(await published(streams_client)) == {str(n): list(range(5)) for n in range(12)}

    async def test_a_relay_that_noticed_and_slept_reopens_nothing_that_another_one_published_since(
        self, database: Database, relay: Relay, streams_client: Redis, marks: Marks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await write_events(database, 9)
        await relay.drain()
        await streams_client.delete(STREAM)
        positions = await relay._positions()
        asleep = await marks.look({position.partition: position.epoch for position in positions})
        await relay.drain()

        async def look(*_: object) -> object:
            return asleep

        monkeypatch.setattr(Marks, "look", look)

        assert await refill(database, marks) == 0
        assert len(await published(streams_client)) == 9

    async def test_a_batch_that_was_published_and_not_yet_marked_is_lost_with_it_and_comes_again(
        self, database: Database, relay: Relay, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await write_events(database, 9)
        await relay.drain()
        await write_events(database, 9)
        with monkeypatch.context() as patch:
            patch.setattr(Relay, "_settle", die)
            with pytest.raises(Died):
                await relay.drain()
        await streams_client.delete(STREAM)

        await relay.drain()
        await relay.drain()

        assert by_aggregate(await published(streams_client)) == {str(n): [0, 1, 2, 0, 1, 2] for n in range(3)}

    @pytest.mark.parametrize("where", ["outbox.backlog.RelayRepository.reopen_stream", "outbox.marks.Marks.forget"])
    async def test_is_filled_by_the_next_relay_where_one_dies_half_way(
        self, database: Database, relay: Relay, streams_client: Redis, monkeypatch: pytest.MonkeyPatch, where: str
    ) -> None:
        await write_events(database, 9)
        await relay.drain()
        await streams_client.delete(STREAM)
        with monkeypatch.context() as patch:
            patch.setattr(where, die)
            with pytest.raises(Died):
                await relay.drain()
        await write_events(database, 3)

        await relay.drain()

        assert by_aggregate(await published(streams_client)) == {str(n): [0, 1, 2, 0] for n in range(3)}

    async def test_waits_where_publishing_is_paused_half_way_through_a_batch(
        self, database: Database, relay: Relay, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await write_events(database, 3, aggregates=1)
        with monkeypatch.context() as patch:
            patch.setattr(Relay, "_settle", die)
            with pytest.raises(Died):
                await relay.drain()
        await streams_client.delete(STREAM)
        async with database.writing() as session:
            await pause(session)

        async with asyncio.timeout(10):  # it must not turn round and round meanwhile
            assert (await relay.drain()).is_empty
        async with database.writing() as session:
            await resume(session)
        await relay.drain()
        await relay.drain()

        assert by_aggregate(await published(streams_client)) == {"0": [0, 1, 2]}

    async def test_of_which_the_table_holds_nothing_any_more_may_begin_anew(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        await write_events(database, 3)
        await relay.drain()
        async with database.writing() as session:
            await session.execute(text("DELETE FROM domain_events"))
            await session.commit()
        await streams_client.delete(STREAM)

        assert (await relay.drain()).is_empty
        await write_events(database, 3)

        assert (await relay.drain()).published == 3

    async def test_trimming_is_no_loss(self, database: Database, relay: Relay, streams_client: Redis) -> None:
        await write_events(database, 3)
        await relay.drain()
        await streams_client.xtrim(STREAM, maxlen=0, approximate=False)

        assert (await relay.drain()).is_empty
