"""A password is hashed beside the event loop, few at a time; an account that nobody has costs what a known one does.

A thread is enough: the hash functions that Django prefers let other threads run while they count.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from django.contrib.auth.hashers import BasePasswordHasher, get_hasher, make_password, verify_password
from django.utils.crypto import get_random_string

from qulab.db.loop import PerLoop

AT_ONCE = max(1, (os.cpu_count() or 1) - 1)  # one processor stays with the event loop
MOST_WAITING = 8 * AT_ONCE  # the last of them waits for about three seconds
RETRY_AFTER = 5  # seconds

Result = TypeVar("Result")


class Busy(Exception):
    """More people are signing in at this moment than passwords can be checked. Try again in a few seconds."""


class Checked(msgspec.Struct, frozen=True):
    """Whether a password is the right one, and whether its hash is of an older kind than new ones are."""

    right: bool
    outdated: bool = False


class Hasher:
    """The threads of one event loop. Who leaves while waiting gives the place up; a hash that has begun is finished."""

    def __init__(self, at_once: int = AT_ONCE, most_waiting: int = MOST_WAITING) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="hashing")
        self._most = at_once + most_waiting
        self._under_way: set[Future[Any]] = set()

    async def run(self, work: Callable[..., Result], *arguments: object) -> Result:
        """Raises Busy."""
        if len(self._under_way) >= self._most:
            raise Busy
        future = self._threads.submit(work, *arguments)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


hashers: PerLoop[Hasher] = PerLoop(Hasher, Hasher.close)


async def hash_password(password: str) -> str:
    """The hash to store. Raises Busy."""
    return await hashers.get().run(make_password, password)


async def check_password(password: str, encoded: str | None) -> Checked:
    """Compare with a stored hash; without one the same work is done, and the password is wrong. Raises Busy."""
    return await hashers.get().run(_check, password, encoded)


def _check(password: str, encoded: str | None) -> Checked:
    # Made for known accounts too: the first of the others must not be the one that takes longer.
    nobodys = _nobodys_hash(get_hasher("default"))
    right, outdated = verify_password(password, encoded or nobodys)
    return Checked(right and bool(encoded), outdated)


@lru_cache(maxsize=1)
def _nobodys_hash(preferred: BasePasswordHasher) -> str:
    """Of a password that nobody knows, made the way new ones are."""
    return preferred.encode(get_random_string(32), preferred.salt())
