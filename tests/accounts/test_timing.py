"""What a stopwatch at the door learns: not who has an account, and not that somebody is signing in."""

import asyncio
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher, PBKDF2PasswordHasher
from django.test import AsyncClient

from accounts.views import tries
from qulab.db.engine import Database

from .pages import EMAIL, sign_in, somebody

TRIES = 15


class ShortHasher(PBKDF2PasswordHasher):
    """The real one, with a twentieth of the work."""

    iterations = 50_000


class HeldHasher(MD5PasswordHasher):
    """Compares for as long as the test wants."""

    algorithm = "held"
    begun, free = threading.Event(), threading.Event()

    def verify(self, password: str, encoded: str) -> bool:
        self.begun.set()
        assert self.free.wait(10)
        return super().verify(password, encoded)


@pytest.fixture
def held(settings: Any) -> Iterator[type[HeldHasher]]:
    HeldHasher.begun.clear()
    HeldHasher.free.clear()
    settings.PASSWORD_HASHERS = ["tests.accounts.test_timing.HeldHasher"]
    yield HeldHasher
    HeldHasher.free.set()


async def test_known_and_unknown_take_the_same_time(
    browser: AsyncClient, database: Database, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In turns, and with a wide bound, as the machine may be busy. `manage.py bench sign-in` measures it."""
    import msgspec

    for name in ("SIGN_IN", "SIGN_IN_FROM"):
        monkeypatch.setattr(tries, name, msgspec.structs.replace(getattr(tries, name), amount=1000))
    settings.PASSWORD_HASHERS = ["tests.accounts.test_timing.ShortHasher"]
    await somebody(database)
    seconds: dict[str, list[float]] = {EMAIL: [], "nobody@example.com": []}
    for email in [*seconds, *seconds]:  # what is made once is made before
        await sign_in(browser, email=email, password="wrong")

    for _ in range(TRIES):
        for email, taken in seconds.items():
            begun = time.perf_counter()
            await sign_in(browser, email=email, password="wrong")
            taken.append(time.perf_counter() - begun)

    known, unknown = (statistics.median(taken) for taken in seconds.values())
    assert max(known, unknown) < 1.25 * min(known, unknown)


async def test_others_are_answered_while_a_password_is_compared(
    browser: AsyncClient, database: Database, held: type[HeldHasher]
) -> None:
    await somebody(database)
    signing_in = asyncio.create_task(sign_in(browser))
    await asyncio.to_thread(held.begun.wait, 5)

    answers = [await AsyncClient().get("/healthz") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert not signing_in.done()
    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # nor is a connection held meanwhile
    held.free.set()
    assert (await signing_in).status_code == 302
