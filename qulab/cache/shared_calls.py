"""Whoever asks while a call for the same key is under way shares the next one: it begins after all of them asked.

So a herd costs two calls at most, and none of it gets an answer that is older than its question.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")
Work = Callable[[], Coroutine[Any, Any, Result]]


class SharedCalls(Generic[Result]):
    """`start` makes a task of a coroutine; the owner of the tasks ends them."""

    def __init__(self, start: "Callable[[Coroutine[Any, Any, Result]], asyncio.Task[Result]]") -> None:
        self._start = start
        self._under_way: dict[str, asyncio.Task[Result]] = {}
        self._next: dict[str, asyncio.Task[Result]] = {}

    def join(self, key: str, work: Work[Result]) -> "tuple[asyncio.Task[Result], bool]":
        """The call to wait for (shielded), and whether it is `work` that it does."""
        if key not in self._under_way:
            self._under_way[key] = self._start(self._run(key, work))
            return self._under_way[key], True
        queued = self._next.get(key)
        if queued is not None:
            return queued, False
        self._next[key] = self._start(self._run_after(self._under_way[key], key, work))
        return self._next[key], True

    async def _run_after(self, before: "asyncio.Task[Result]", key: str, work: Work[Result]) -> Result:
        try:
            await asyncio.wait([before])
        finally:
            self._under_way[key] = self._next.pop(key)
        return await self._run(key, work)

    async def _run(self, key: str, work: Work[Result]) -> Result:
        try:
            return await work()
        finally:
            if self._under_way.get(key) is asyncio.current_task():
                del self._under_way[key]
