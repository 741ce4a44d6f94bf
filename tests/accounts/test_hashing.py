import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.hashers import BasePasswordHasher, MD5PasswordHasher, make_password

from accounts.forms import LONGEST_PASSWORD, SignInForm, normalized
from accounts.hashing import Busy, Checked, Hasher, check_password, hash_password, hashers


class QuickHasher(MD5PasswordHasher):
    """Another algorithm, to change to."""

    algorithm = "quick"


class CountedHasher(MD5PasswordHasher):
    """What an attacker with a stopwatch would see: how often the expensive part runs."""

    algorithm = "counted"
    encoded = 0

    def encode(self, password: str, salt: str) -> str:  # type: ignore[override]
        type(self).encoded += 1
        return super().encode(password, salt)


@pytest.fixture
def counted(settings: Any) -> type[CountedHasher]:
    settings.PASSWORD_HASHERS = ["tests.accounts.test_hashing.CountedHasher"]
    return CountedHasher


def test_what_is_too_long_is_not_composed() -> None:
    """To put combining letters into their order takes the square of their number, in the event loop."""
    long = "a" + "\u0301" * LONGEST_PASSWORD + "\u0327"

    assert normalized(long) is long
    assert normalized("e\u0301") == "\u00e9"
    assert SignInForm({"email": "a@example.com", "password": long}).errors["password"]


@pytest.fixture
async def one_thread() -> Any:
    """The loop's hasher, with one thread and one place to wait."""
    hasher = Hasher(at_once=1, most_waiting=1)
    before = hashers.lend(hasher)
    yield hasher
    hashers.lend(before)
    await hasher.close()


class Held:
    """Work that ends when it is let go."""

    def __init__(self) -> None:
        self.begun, self.free = threading.Event(), threading.Event()
        self.thread: threading.Thread | None = None

    def __call__(self) -> str:
        self.thread = threading.current_thread()
        self.begun.set()
        assert self.free.wait(10)
        return "done"


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.free.set()


class TestCheckPassword:
    @pytest.mark.parametrize("password", ["right", "wrong"])
    async def test_costs_as_much_for_an_account_that_nobody_has(
        self, counted: type[CountedHasher], password: str
    ) -> None:
        """Also at the first time in a process, when the hash of nobody has to be made."""
        encoded = make_password("right")
        await check_password(password, encoded)
        costs = []
        for stored in (encoded, None, ""):
            counted.encoded = 0
            await check_password(password, stored)
            costs.append(counted.encoded)

        assert costs == [1, 1, 1]

    async def test_nobodys_password_is_never_right(self, fast: None) -> None:
        for password in ("", "password", "None"):
            assert not (await check_password(password, None)).right
            assert not (await check_password(password, "")).right

    async def test_says_that_a_hash_is_of_an_older_kind(self, settings: Any) -> None:
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
        encoded = await hash_password("right")
        settings.PASSWORD_HASHERS = ["tests.accounts.test_hashing.QuickHasher", *settings.PASSWORD_HASHERS]

        assert await check_password("right", encoded) == Checked(right=True, outdated=True)
        assert await check_password("right", await hash_password("right")) == Checked(right=True)

    @pytest.mark.parametrize("encoded", ["!unusable", "gibberish", "md5$only"])
    async def test_of_what_is_no_hash_is_wrong(self, fast: None, encoded: str) -> None:
        if encoded == "md5$only":
            encoded = "unknown$salt$hash"

        assert not (await check_password("anything", encoded)).right


class TestHasher:
    async def test_works_beside_the_loop(self, one_thread: Hasher, held: Held) -> None:
        task = asyncio.create_task(one_thread.run(held))
        await asyncio.to_thread(held.begun.wait, 5)

        assert held.thread is not threading.current_thread()  # and the loop turns meanwhile
        held.free.set()
        assert await task == "done"

    async def test_refuses_who_would_wait_for_too_long(self, one_thread: Hasher, held: Held) -> None:
        tasks = [asyncio.create_task(one_thread.run(held)) for _ in range(2)]
        await asyncio.to_thread(held.begun.wait, 5)

        with pytest.raises(Busy):
            await one_thread.run(held)

        held.free.set()
        assert await asyncio.gather(*tasks) == ["done", "done"]
        assert await one_thread.run(held) == "done"

    async def test_who_leaves_while_waiting_gives_the_place_up(self, one_thread: Hasher, held: Held) -> None:
        first = asyncio.create_task(one_thread.run(held))
        await asyncio.to_thread(held.begun.wait, 5)
        second = asyncio.create_task(one_thread.run(held))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)

        third = asyncio.create_task(one_thread.run(held))
        await asyncio.sleep(0)

        held.free.set()
        assert await asyncio.gather(first, third) == ["done", "done"]

    async def test_one_that_was_begun_counts_to_its_end(self, one_thread: Hasher, held: Held) -> None:
        """Whoever asks and leaves, again and again, gets no more threads than others."""
        first = asyncio.create_task(one_thread.run(held))
        await asyncio.to_thread(held.begun.wait, 5)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        waiting = asyncio.create_task(one_thread.run(held))
        await asyncio.sleep(0)

        with pytest.raises(Busy):
            await one_thread.run(held)

        held.free.set()
        await waiting

    async def test_a_full_one_is_told_with_503(self, browser: Any, one_thread: Hasher, held: Held) -> None:
        from .pages import sign_in

        tasks = [asyncio.create_task(one_thread.run(held)) for _ in range(2)]
        await asyncio.to_thread(held.begun.wait, 5)

        answer = await sign_in(browser)

        held.free.set()
        await asyncio.gather(*tasks)
        assert answer.status_code == 503
        assert answer["Retry-After"] == "5"
        assert "Try again in a few seconds." in answer.content.decode()


def test_the_hashers_of_these_tests_are_real_ones() -> None:
    assert issubclass(CountedHasher, BasePasswordHasher)
