"""A Celery child owns one event loop for its life, and with it one pool; nothing connects before the fork."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from qulab.db.loop import close_all

Result = TypeVar("Result")

_runner: asyncio.Runner | None = None


def start() -> None:
    """Make the child's loop. Connected to `worker_process_init`."""
    global _runner
    _runner = asyncio.Runner()


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a task's coroutine in the child's loop."""
    if _runner is None:
        start()
    assert _runner is not None
    return _runner.run(coroutine)


def stop() -> None:
    """Close what the loop has open, then the loop. Connected to `worker_process_shutdown`."""
    global _runner
    if _runner is not None:
        _runner.run(close_all())
        _runner.close()
        _runner = None
