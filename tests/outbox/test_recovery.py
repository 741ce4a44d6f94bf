"""However Redis came back, what it lost is published again, and what it holds all the same is not there twice."""

from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from outbox.marks import Marks
from outbox.positions import Mark
from outbox.relay import Relay
from outbox.tally import Tally
from qulab.cache import keys
from qulab.db.engine import Database
from tests.outbox.helpers import Died, by_aggregate, die, published, write_events

Copy = dict[str, bytes]


@pytest.fixture
def publish(database: Database, relay: Relay) -> Callable[[int], Awaitable[None]]:
    async def publish(count: int) -> None:
        await write_events(database, count)
        await relay.drain()

    return publish


async def copied(streams: Redis) -> Copy:
    return {key: await streams.dump(key) for key in await streams.keys("*")}


async def put_back(streams: Redis, copy: Copy) -> None:
    await streams.flushdb()
    for key, value in copy.items():
        await streams.restore(key, 0, value)


async def numbers(streams: Redis) -> dict[str, list[int]]:
    envelopes = await published(streams)
    assert len({envelope.id for envelope in envelopes}) == len(envelopes), "an event is there twice"
    return by_aggregate(envelopes)


IN_ORDER = {str(n): [0, 1, 2] * 3 for n in range(3)}


async def past_left_behind(streams: Redis, publish: Callable[[int], Awaitable[None]]) -> Copy:
    """Put an older copy of Redis back, that relays will recover from; returns a later one, of what came after it."""
    await publish(9)
    first = await copied(streams)
    await publish(9)
    second = await copied(streams)
    await publish(9)
    await put_back(streams, first)
    return second


class TestPastThatWasLeftBehind:
    async def test_holds_each_event_once_when_it_comes_back(
        self, relay: Relay, streams_client: Redis, publish: Callable[[int], Awaitable[None]]
    ) -> None:
        second = await past_left_behind(streams_client, publish)
        await relay.drain()
        assert await numbers(streams_client) == IN_ORDER

        await put_back(streams_client, second)
        await relay.drain()

        assert await numbers(streams_client) == IN_ORDER
        assert (await relay.drain()).is_empty

    async def test_holds_each_event_once_where_its_events_were_not_published_again_yet(
        self,
        relay: Relay,
        streams_client: Redis,
        publish: Callable[[int], Awaitable[None]],
    ) -> None:
        """They are pending when it comes back: the recovery was done, and its relay died then."""
        second = await past_left_behind(streams_client, publish)
        behind, _ = await relay._losses(await relay._positions())
        assert [await relay._pass(partition, Tally(), even_if_empty=True) for partition in behind] != []
        await put_back(streams_client, second)

        await relay.drain()

        assert await numbers(streams_client) == IN_ORDER

    @pytest.mark.parametrize("where", ["outbox.marks.Marks.recover", "outbox.relay.Relay._settle"])
    async def test_is_recovered_by_the_next_relay_where_one_dies_half_way(
        self,
        database: Database,
        relay: Relay,
        streams_client: Redis,
        publish: Callable[[int], Awaitable[None]],
        monkeypatch: pytest.MonkeyPatch,
        where: str,
    ) -> None:
        second = await past_left_behind(streams_client, publish)
        await relay.drain()
        await put_back(streams_client, second)
        with monkeypatch.context() as patch:
            patch.setattr(where, die)
            with pytest.raises(Died):
                await relay.drain()

        await Relay(database, streams_client).drain()

        assert await numbers(streams_client) == IN_ORDER


class TestStreamFromBeforeItWasDeleted:
    async def test_holds_each_event_once_when_it_comes_back(
        self, relay: Relay, streams_client: Redis, publish: Callable[[int], Awaitable[None]]
    ) -> None:
        await publish(9)
        before = await copied(streams_client)
        await publish(9)
        await streams_client.delete("events:Order")
        await publish(9)
        assert await numbers(streams_client) == IN_ORDER

        await put_back(streams_client, before)
        await relay.drain()

        assert await numbers(streams_client) == IN_ORDER


class TestEntries:
    async def test_are_not_taken_out_once_another_relay_has_begun_the_generation(self, streams_client: Redis) -> None:
        """They may be those that it published again. On SQLite nothing keeps two relays from recovering at once."""
        entry = await streams_client.xadd("events:Order", {"event": "published again"})
        await streams_client.set(keys.mark("epoch", 0), "1:4")
        marks = Marks(streams_client, stream_maxlen=1000)

        assert not await marks.remove("epoch", 0, Mark(0, 6), "events:Order", [entry])
        assert await streams_client.xlen("events:Order") == 1
        assert await marks.remove("epoch", 0, Mark(1, 4), "events:Order", [entry])
        assert await streams_client.xlen("events:Order") == 0

    async def test_that_are_no_events_are_left_where_they_are(
        self, relay: Relay, streams_client: Redis, publish: Callable[[int], Awaitable[None]]
    ) -> None:
        await publish(9)
        first = await copied(streams_client)
        await publish(9)
        await streams_client.xadd("events:Order", {"event": "not JSON"})
        await streams_client.xadd("events:Order", {"other": "field"})
        second = await copied(streams_client)
        await put_back(streams_client, first)
        await relay.drain()
        await put_back(streams_client, second)

        await relay.drain()

        assert await streams_client.xlen("events:Order") == 18 + 2
