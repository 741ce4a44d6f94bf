"""Where no Redis is found the lab emulates it: the scripts of consumers and operators run there too."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

from outbox import streams
from outbox.groups import Member
from outbox.streams import GroupState, StreamsState, StreamState, Trimmed
from qulab.cache import keys

STREAM = "events:Order"


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    redis = FakeAsyncRedis(decode_responses=True)
    await redis.sadd(keys.STREAMS, STREAM)
    yield redis
    await redis.aclose()


@pytest.fixture
async def member(redis: Redis) -> Member:
    await redis.xadd(STREAM, {"event": "first"}, id="1-0")
    member = Member(redis, "test", "one", take_over_after=0)
    await member.join()
    return member


class TestEmulated:
    async def test_group_reads_takes_over_and_buries(self, redis: Redis, member: Member) -> None:
        assert [entry.fields for entry in await member.read()] == [{"event": "first"}]
        assert await member.read() == []
        assert not await member.wait(10)

        (entry,) = await member.take_over(STREAM)
        await member.count_failure(entry)
        await member.bury(entry)

        assert await member.take_over(STREAM) == []
        assert (await streams.look(redis)).dead_letters == {"test": 1}

    async def test_loss_is_counted(self, redis: Redis, member: Member) -> None:
        await member.read()
        for _ in range(5):
            await redis.xadd(STREAM, {"event": "next"})
        await redis.xtrim(STREAM, maxlen=2, approximate=False)

        assert len(await member.read()) == 2

        assert await redis.hgetall(keys.trimmed(STREAM)) == {"test": "3"}  # type: ignore[misc]

    async def test_streams_are_looked_at_and_trimmed(self, redis: Redis, member: Member) -> None:
        await redis.xadd(STREAM, {"event": "second"}, id="2-0")
        (first, _) = await member.read()
        await member.acknowledge(first)

        assert await streams.look(redis) == StreamsState(
            [StreamState(STREAM, 2, [GroupState("test", consumers=1, pending=1, lag=0, trimmed=0)])], {"test": 0}
        )
        assert await streams.trim(redis, older_than=timedelta()) == [Trimmed(STREAM, 1, 1, ["test"])]
        assert await streams.dismiss_idle_consumers(redis) == 0
