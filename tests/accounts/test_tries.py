"""Who tries too often is told when to come again, before anything is computed for them."""

from typing import Any

import msgspec
import pytest
from django.test import AsyncClient
from redis import Redis as SyncRedis

from accounts import entry
from accounts.views import tries
from qulab.db.engine import Database
from tests.access.people import PASSWORD

from .pages import EMAIL, NEW, post, sign_in, sign_up, somebody, words


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were compared."""
    compared: list[str] = []
    check = entry.check_password

    async def counted(password: str, encoded: str | None) -> Any:
        compared.append(password)
        return await check(password, encoded)

    monkeypatch.setattr(entry, "check_password", counted)
    return compared


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many tries from one place are let through here, where sixty would only take longer."""
    assert tries.SIGN_IN_FROM.amount == 60
    monkeypatch.setattr(tries, "SIGN_IN_FROM", msgspec.structs.replace(tries.SIGN_IN_FROM, amount=5))
    return 5


class Elsewhere(AsyncClient):
    """A browser at another place."""

    def _base_scope(self, **request: Any) -> dict[str, Any]:
        return {**super()._base_scope(**request), "client": ["192.0.2.7", 0]}


async def guess(client: AsyncClient, times: int, **fields: str) -> list[int]:
    return [(await sign_in(client, **{"password": f"guess {n}", **fields})).status_code for n in range(times)]


class TestSignIn:
    @pytest.mark.parametrize("known", [True, False])
    async def test_of_one_account_is_refused_after_ten_wrong_passwords(
        self, browser: AsyncClient, database: Database, hashed: list[str], known: bool
    ) -> None:
        if known:
            await somebody(database)

        answers = await guess(browser, 12)
        right = await sign_in(browser)

        assert answers == [422] * 10 + [429] * 2
        assert right.status_code == 429  # the right password opens nothing to who guesses on
        assert 0 < int(right["Retry-After"]) <= 900
        assert "ten wrong passwords for this account from where you are" in words(right)
        assert len(hashed) == 10

    async def test_from_one_place_does_not_keep_its_person_out_from_another(
        self, browser: AsyncClient, database: Database
    ) -> None:
        await somebody(database)
        await guess(browser, 12)

        assert (await sign_in(Elsewhere())).status_code == 302

    async def test_of_one_account_is_refused_in_the_end_wherever_it_comes_from(
        self, browser: AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert tries.SIGN_IN_ANYWHERE.amount == 100
        few = msgspec.structs.replace(tries.SIGN_IN_ANYWHERE, amount=4)
        monkeypatch.setattr(tries, "SIGN_IN_ANYWHERE", few)

        answers = await guess(browser, 3) + await guess(Elsewhere(), 2)

        assert answers == [422] * 4 + [429]

    async def test_that_succeeds_clears_the_count_of_its_account(
        self, browser: AsyncClient, database: Database
    ) -> None:
        await somebody(database)

        for _ in range(3):
            assert await guess(browser, 9) == [422] * 9
            assert (await sign_in(AsyncClient())).status_code == 302

    async def test_from_one_place_is_bounded_over_all_accounts(
        self, browser: AsyncClient, few: int, hashed: list[str]
    ) -> None:
        for n in range(few):
            assert (await sign_in(browser, email=f"person{n}@example.com")).status_code == 422

        here, elsewhere = await sign_in(browser), await sign_in(Elsewhere())

        assert (here.status_code, elsewhere.status_code) == (429, 422)
        assert len(hashed) == few + 1

    async def test_at_this_machine_is_counted_by_account_alone(
        self, browser: AsyncClient, few: int, settings: Any
    ) -> None:
        settings.LOCAL_OPERATOR = True
        for n in range(few + 1):
            last = await sign_in(browser, email=f"person{n}@example.com")

        assert last.status_code == 422
        assert (await guess(browser, 11))[-1] == 429

    async def test_a_form_that_was_not_filled_in_is_no_try(self, browser: AsyncClient, hashed: list[str]) -> None:
        for _ in range(12):
            answer = await sign_in(browser, password="")

        assert answer.status_code == 422
        assert hashed == []

    async def test_leaves_no_address_in_redis(self, browser: AsyncClient, database: Database, redis_url: str) -> None:
        await somebody(database)
        await guess(browser, 2)
        await sign_in(browser)

        with SyncRedis.from_url(f"{redis_url.removesuffix('/0')}/5") as redis:
            names = redis.keys()
            kept = b" ".join([*names, *(redis.dump(name) or b"" for name in names)])
        assert len(names) >= 2
        for secret in (
            EMAIL.encode(),
            b"127.0.0.1",
            PASSWORD.encode(),
            browser.cookies["qulab-session"].value.encode(),
        ):
            assert secret not in kept


class TestOthers:
    async def test_sign_up_is_bounded_by_place(self, browser: AsyncClient) -> None:
        answers = [(await sign_up(AsyncClient(), email=f"p{n}@example.com")).status_code for n in range(21)]

        assert answers == [302] * 20 + [429]

    async def test_mails_are_bounded_by_address_whether_somebody_has_it_or_not(
        self, browser: AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def sent(_user_id: str) -> None:
            return

        monkeypatch.setattr("accounts.views.password.send_reset", sent)
        await somebody(database)
        for email in (EMAIL, "nobody@example.com"):
            answers = [(await post(browser, "reset", email=email)).status_code for _ in range(4)]
            assert answers == [302, 302, 302, 429]

    @pytest.mark.parametrize(
        ("page", "most", "fields"),
        [
            ("password", 10, {"current": "wrong", "new": NEW, "again": NEW}),
            ("delete", 10, {"password": "wrong"}),
            ("edit", 5, {"name": "A", "email": "new@example.com", "version": "1", "password": "wrong"}),
        ],
    )
    async def test_no_page_lets_one_guess_the_password_of_an_open_session(
        self, browser: AsyncClient, database: Database, hashed: list[str], page: str, most: int, fields: dict[str, str]
    ) -> None:
        await somebody(database)
        await sign_in(browser)

        answers = [(await post(browser, page, **fields)).status_code for _ in range(most + 1)]

        assert answers == [422] * most + [429]
        assert len(hashed) == most + 1  # the sign-in is one of them

    async def test_an_export_is_bounded(self, browser: AsyncClient, database: Database) -> None:
        await somebody(database)
        await sign_in(browser)
        statuses = []
        for _ in range(tries.EXPORT.amount + 1):
            answer = await browser.get("/accounts/export.json")
            statuses.append(answer.status_code)
            if answer.streaming:
                async for _piece in answer.streaming_content:
                    pass

        assert statuses == [200] * 10 + [429]
