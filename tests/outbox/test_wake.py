"""Commits do not wait for their hints, and a hint goes out after each of them, alone or shared."""

import asyncio

import pytest
from redis.asyncio import Redis

from outbox import wake
from outbox.wake import Hints, hints, wake_relay
from qulab.cache import keys


class TestHints:
    async def test_go_out_without_being_waited_for(self, streams_client: Redis) -> None:
        await wake_relay()

        assert await streams_client.llen(keys.WAKE) in (0, 1)
        await hints.get().sent()
        assert await streams_client.llen(keys.WAKE) == 1

    async def test_of_a_hundred_commits_at_once_are_shared(self, streams_client: Redis) -> None:
        await asyncio.gather(*(wake_relay() for _ in range(100)))
        await hints.get().sent()

        assert await streams_client.llen(keys.WAKE) == 1

    async def test_one_that_is_wanted_while_another_is_under_way_goes_out_after_it(
        self, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The relay may have looked already when the first one came: it says nothing of what was committed since."""
        under_way, go_on = asyncio.Event(), asyncio.Event()
        pushed = 0

        async def push(_streams: Redis) -> None:
            nonlocal pushed
            under_way.set()
            await go_on.wait()
            pushed += 1

        monkeypatch.setattr(wake, "push_hint", push)
        one_loop = Hints()
        one_loop.want()
        await under_way.wait()
        one_loop.want()
        one_loop.want()
        go_on.set()
        await one_loop.sent()

        assert pushed == 2

    async def test_are_left_out_for_a_while_where_redis_does_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tried = 0

        async def push(_streams: object) -> None:
            nonlocal tried
            tried += 1
            raise ConnectionRefusedError

        monkeypatch.setattr(wake, "push_hint", push)
        one_loop = Hints()
        for _ in range(10):
            one_loop.want()
            await one_loop.sent()

        assert tried == 1
