import re
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import identify_hasher
from django.test import AsyncClient
from sqlalchemy import func, select

from accounts.models import Credentials, User
from accounts.services import LAB_ADDRESSES
from outbox.models import DomainEvent
from qulab.access import limits
from qulab.cache.client import create_redis
from qulab.db.engine import Database
from tests.access.people import PASSWORD

from .pages import EMAIL, NEW, is_signed_in, post, sign_in, sign_up, somebody, without_credentials, words

COOKIE = django_settings.SESSION_COOKIE_NAME
SAME = "No account has this address with this password."


class TestSignUp:
    async def test_stores_a_person_with_credentials_and_its_event_and_signs_in(
        self, browser: AsyncClient, database: Database
    ) -> None:
        answer = await sign_up(browser, email=" Ada@Example.COM ", name=" Ada ")

        assert (answer.status_code, answer["Location"]) == (302, "/accounts/profile?done=up")
        assert await is_signed_in(browser)
        async with database.reading() as session:
            user = (await session.scalars(select(User))).one()
            credentials = await session.get_one(Credentials, user.id)
            events = (await session.scalars(select(DomainEvent.event_type))).all()
        assert (user.email, user.name, credentials.is_staff) == (EMAIL, "Ada", False)
        assert PASSWORD not in credentials.password
        assert events == ["UserCreated"]

    async def test_of_a_taken_address_is_refused_at_its_field(self, browser: AsyncClient, database: Database) -> None:
        await somebody(database)

        answer = await sign_up(browser, email=EMAIL.upper())

        assert answer.status_code == 422
        assert "This address is taken." in words(answer)
        assert not await is_signed_in(browser)

    @pytest.mark.parametrize("email", LAB_ADDRESSES)
    async def test_takes_none_of_the_addresses_under_which_the_lab_shows_users(
        self, browser: AsyncClient, database: Database, email: str
    ) -> None:
        answer = await sign_up(browser, email=email.title())

        assert answer.status_code == 422
        assert "belongs to a user of the lab" in words(answer)

    async def test_takes_no_profile_over_that_has_no_credentials(
        self, browser: AsyncClient, database: Database
    ) -> None:
        user_id = await without_credentials(database)

        answer = await sign_up(browser)

        assert answer.status_code == 422
        assert "also the first one of a profile" in words(answer)
        async with database.reading() as session:
            assert await session.get(Credentials, user_id) is None

    @pytest.mark.parametrize(
        ("password", "again", "said"),
        [
            ("short", "short", "too short"),
            ("1234567890123", "1234567890123", "entirely numeric"),
            ("password123", "password123", "too common"),
            ("ada@example.com", "ada@example.com", "too similar to the email address"),
            ("Ada Lovelace 1", "Ada Lovelace 1", "too similar to the name"),
            (PASSWORD, NEW, "The two passwords differ. Type both again."),
            ("x" * 1001, "x" * 1001, "Use at most 1000 characters; this has 1001."),
            ("with a null \x00 byte", "with a null \x00 byte", "no text"),
        ],
    )
    async def test_with_a_password_that_will_not_do_stores_nothing(
        self, browser: AsyncClient, database: Database, password: str, again: str, said: str
    ) -> None:
        answer = await post(browser, "sign-up", email=EMAIL, name="Ada Lovelace", new=password, again=again)

        assert answer.status_code == 422
        assert said in words(answer)
        assert words(answer).count(f'value="{password}"') == (password == EMAIL)  # no field but that of the address
        async with database.reading() as session:
            assert await session.scalar(select(func.count()).select_from(User)) == 0

    async def test_gives_nobody_rights_that_a_form_asks_for(self, browser: AsyncClient, database: Database) -> None:
        fields = {"email": EMAIL, "name": "Ada", "new": PASSWORD, "again": PASSWORD}
        await post(browser, "sign-up", **fields, is_staff="1", id="chosen", version="9")

        async with database.reading() as session:
            row = (await session.execute(select(User.id, User.version, Credentials.is_staff).join(Credentials))).one()
        assert (row.id != "chosen", row.version, row.is_staff) == (True, 1, False)


class TestSignIn:
    async def test_with_the_right_password_goes_on_to_the_page_that_was_asked_for(
        self, browser: AsyncClient, database: Database
    ) -> None:
        await somebody(database)

        answer = await sign_in(browser, email=EMAIL.upper(), next="/accounts/edit?a=b")

        assert (answer.status_code, answer["Location"]) == (302, "/accounts/edit?a=b")
        assert await is_signed_in(browser)

    @pytest.mark.parametrize(
        "address", ["//elsewhere.example", "https://elsewhere.example/", "/\\elsewhere.example", "javascript:alert(1)"]
    )
    async def test_leads_to_no_other_site(self, browser: AsyncClient, database: Database, address: str) -> None:
        await somebody(database)

        answer = await sign_in(browser, next=address)

        assert answer["Location"] == "/accounts/profile"

    async def test_says_the_same_of_every_failure(self, browser: AsyncClient, database: Database) -> None:
        await somebody(database)
        await without_credentials(database, email="none@example.com")

        wrong = await sign_in(browser, password=NEW)
        unknown = await sign_in(browser, email="nobody@example.com")
        without = await sign_in(browser, email="none@example.com")

        assert [answer.status_code for answer in (wrong, unknown, without)] == [422, 422, 422]
        pages = {_without_what_was_typed(words(answer)) for answer in (wrong, unknown, without)}
        assert len(pages) == 1
        assert SAME in pages.pop()

    async def test_opens_a_session_under_a_new_key(self, browser: AsyncClient, database: Database) -> None:
        """Who made somebody use a key they know has nothing from it."""
        await somebody(database)
        await sign_in(browser)
        before = browser.cookies[COOKIE].value
        await sign_in(browser)

        assert browser.cookies[COOKIE].value != before
        browser.cookies[COOKIE] = before
        assert not await is_signed_in(browser)

    async def test_renews_the_token_of_forms(self, database: Database, browser: AsyncClient) -> None:
        await somebody(database)
        careful = AsyncClient(enforce_csrf_checks=True)
        token = _token_of(await careful.get("/accounts/sign-in"))
        before = careful.cookies["csrftoken"].value

        await sign_in(careful, csrfmiddlewaretoken=token)

        assert careful.cookies["csrftoken"].value != before

    async def test_makes_an_old_hash_anew(self, browser: AsyncClient, database: Database, settings: Any) -> None:
        person = await somebody(database)
        settings.PASSWORD_HASHERS = ["tests.accounts.test_hashing.QuickHasher", *settings.PASSWORD_HASHERS]

        await sign_in(browser)

        async with database.reading() as session:
            credentials = await session.get_one(Credentials, person.id)
        assert identify_hasher(credentials.password).algorithm == "quick"
        assert credentials.last_sign_in_at is not None
        assert await is_signed_in(browser)

    async def test_who_is_signed_in_is_led_on(self, browser: AsyncClient, database: Database) -> None:
        await somebody(database)
        await sign_in(browser)

        answer = await browser.get("/accounts/sign-in?next=/lab/1")

        assert (answer.status_code, answer["Location"]) == (302, "/lab/1")

    async def test_while_redis_is_away_says_so(self, browser: AsyncClient, database: Database, settings: Any) -> None:
        from qulab.access.sessions import redis_of_sessions

        await somebody(database)
        nowhere = create_redis("redis://127.0.0.1:1/5", timeout=0.2, text=True)
        limits.shared.lend(None)
        before = redis_of_sessions.lend(nowhere)
        try:
            answer = await sign_in(browser)
        finally:
            redis_of_sessions.lend(before)
            limits.shared.lend(None)
            await nowhere.aclose()

        assert answer.status_code == 503
        assert "Retry-After" in answer.headers


class TestSignOut:
    async def test_ends_the_session_for_good(self, browser: AsyncClient, database: Database) -> None:
        await somebody(database)
        await sign_in(browser)
        key = browser.cookies[COOKIE].value

        answer = await post(browser, "sign-out")

        assert answer["Location"] == "/accounts/sign-in?done=out"
        browser.cookies[COOKIE] = key
        assert not await is_signed_in(browser)

    async def test_is_no_link(self, browser: AsyncClient, database: Database) -> None:
        await somebody(database)
        await sign_in(browser)

        await browser.get("/accounts/sign-out")

        assert await is_signed_in(browser)


class TestPages:
    @pytest.mark.parametrize("page", ["sign-in", "sign-up", "reset", "reset/new", "profile"])
    async def test_are_kept_by_nobody(self, browser: AsyncClient, page: str) -> None:
        answer = await browser.get(f"/accounts/{page}")

        assert "no-store" in answer["Cache-Control"]

    async def test_need_the_token_of_their_form(self, browser: AsyncClient, redis_url: str) -> None:
        careful = AsyncClient(enforce_csrf_checks=True)

        for page in ("sign-in", "sign-up", "reset", "reset/new", "sign-out", "password", "edit", "delete", "elsewhere"):
            assert (await post(careful, page)).status_code == 403, page


def _without_what_was_typed(page: str) -> str:
    page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)
    return re.sub(r'value="[^"]*@example.com"', "", page)


def _token_of(answer: Any) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', words(answer))
    assert found
    return found[1]
