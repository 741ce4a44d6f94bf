"""A pool belongs to the event loop that opened it: one resource for each running loop, never shared between two."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

Resource = TypeVar("Resource")


class PerLoop(Generic[Resource]):
    """Opens a resource on first use in a loop; whoever owns the loop closes it."""

    def __init__(
        self, opener: Callable[[], Resource], closer: Callable[[Resource], Awaitable[object]] | None = None
    ) -> None:
        self._opener = opener
        self._closer = closer
        self._resources: WeakKeyDictionary[asyncio.AbstractEventLoop, Resource] = WeakKeyDictionary()
        _all.append(self)

    def get(self) -> Resource:
        loop = asyncio.get_running_loop()
        if loop not in self._resources:
            self._resources[loop] = self._opener()
        return self._resources[loop]

    def lend(self, resource: Resource | None) -> Resource | None:
        """Put `resource` in the running loop's place (None empties it); returns what was there."""
        loop = asyncio.get_running_loop()
        before = self._resources.pop(loop, None)
        if resource is not None:
            self._resources[loop] = resource
        return before

    async def close(self) -> None:
        resource = self._resources.pop(asyncio.get_running_loop(), None)
        if resource is not None and self._closer is not None:
            await self._closer(resource)


def raise_if_cancelled() -> None:
    """Raise CancelledError in a task that was cancelled and goes on, as a library below lost the cancellation.

    For loops without an end. In Python 3.11 `asyncio.wait_for`, which redis-py uses, can lose one.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


_all: list[PerLoop[Any]] = []


async def close_all() -> None:
    """Close what the running loop has open: what stands on the database goes before it."""
    for resources in reversed(_all):
        await resources.close()
