"""A Celery child owns one event loop for its life, and with it one pool; nothing connects before the fork.

A task that exceeds its soft time limit is cancelled like any other coroutine: its statement stops in the database, its
session goes back, and all it had started has ended when SoftTimeLimitExceeded is raised.
"""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from celery.exceptions import SoftTimeLimitExceeded

from qulab.db.loop import close_all

Result = TypeVar("Result")

SOFT_LIMIT_SIGNAL = signal.SIGUSR1  # what Celery's pool sends; left alone it would raise anywhere inside the loop
DRAIN_SECONDS = 5.0  # for what a cancelled task does on its way out

_runner: asyncio.Runner | None = None


def start() -> None:
    """Make the child's loop. Connected to `worker_process_init`."""
    global _runner
    _runner = asyncio.Runner()


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a task's coroutine in the child's loop. Raises SoftTimeLimitExceeded when the time limit cancelled it."""
    if _runner is None:
        start()
    assert _runner is not None
    return _runner.run(_guarded(coroutine))


def stop() -> None:
    """Close what the loop has open, then the loop. Connected to `worker_process_shutdown`."""
    global _runner
    if _runner is not None:
        _runner.run(close_all())
        _runner.close()
        _runner = None


async def _guarded(coroutine: Coroutine[Any, Any, Result]) -> Result:
    task = asyncio.ensure_future(coroutine)
    with _soft_limit_cancels(task) as exceeded:
        try:
            return await task
        except BaseException as error:
            await _drain()
            if exceeded and isinstance(error, asyncio.CancelledError):
                raise SoftTimeLimitExceeded from None
            raise


@contextmanager
def _soft_limit_cancels(task: "asyncio.Future[Any]") -> Iterator[list[bool]]:
    """Cancel `task` at the signal; the list is not empty when that happened. Only in a main thread, as in a child."""
    exceeded: list[bool] = []

    def cancel() -> None:
        exceeded.append(True)
        task.cancel()

    before, loop = signal.getsignal(SOFT_LIMIT_SIGNAL), asyncio.get_running_loop()
    loop.add_signal_handler(SOFT_LIMIT_SIGNAL, cancel)
    try:
        yield exceeded
    finally:
        loop.remove_signal_handler(SOFT_LIMIT_SIGNAL)
        signal.signal(SOFT_LIMIT_SIGNAL, before)


async def _drain() -> None:
    """End what the failed task had started: the loop runs again only with the next task, and would go on with it."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for one in left:
        one.cancel()
    if left:
        await asyncio.wait(left, timeout=DRAIN_SECONDS)
