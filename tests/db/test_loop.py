import asyncio
from contextlib import suppress

import pytest

from qulab.db import worker
from qulab.db.engine import databases, get_database
from qulab.db.loop import PerLoop, close_all, raise_if_cancelled


class Resource:
    def __init__(self) -> None:
        self.closed_in: asyncio.AbstractEventLoop | None = None

    async def close(self) -> None:
        self.closed_in = asyncio.get_running_loop()


class TestPerLoop:
    def test_each_loop_has_its_own_and_closes_it_in_itself(self) -> None:
        resources = PerLoop(Resource, Resource.close)

        async def use() -> tuple[Resource, asyncio.AbstractEventLoop]:
            first = resources.get()
            assert resources.get() is first
            await close_all()
            return first, asyncio.get_running_loop()

        (one, loop_of_one), (two, loop_of_two) = asyncio.run(use()), asyncio.run(use())

        assert one is not two
        assert (one.closed_in, two.closed_in) == (loop_of_one, loop_of_two)


class TestRaiseIfCancelled:
    async def test_ends_a_loop_whose_library_lost_the_cancellation(self) -> None:
        started = asyncio.Event()

        async def loses_cancellations() -> None:
            started.set()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

        async def loop() -> None:
            while True:
                raise_if_cancelled()
                await loses_cancellations()

        task = asyncio.create_task(loop())
        await started.wait()
        task.cancel()

        async with asyncio.timeout(5):
            await asyncio.wait([task])
        assert task.cancelled()


class TestWorker:
    """Without a database: nothing connects before the first statement."""

    def test_tasks_of_one_child_share_one_database(self) -> None:
        async def task() -> int:
            return id(get_database())

        worker.start()
        try:
            assert worker.run(task()) == worker.run(task())
        finally:
            worker.stop()

    def test_its_end_closes_what_its_loop_had_open(self) -> None:
        async def task() -> asyncio.AbstractEventLoop:
            get_database()
            return asyncio.get_running_loop()

        worker.start()
        loop = worker.run(task())
        worker.stop()

        assert loop.is_closed()
        assert loop not in databases._resources

    def test_what_a_failed_task_started_ends_with_it(self) -> None:
        """The loop runs again only with the next task, and would go on with what is left there."""
        ran: list[str] = []

        async def stray() -> None:
            await asyncio.sleep(0.01)
            ran.append("stray")

        async def fails() -> None:
            left.append(asyncio.ensure_future(stray()))
            await asyncio.sleep(0)
            raise ValueError("this task is broken")

        async def next_one() -> None:
            await asyncio.sleep(0.05)

        left: list[object] = []
        try:
            with pytest.raises(ValueError, match="broken"):
                worker.run(fails())
            worker.run(next_one())
        finally:
            worker.stop()

        assert ran == []
