"""Who asks, and whether they may, with a real Redis and both databases."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest
from django.test import AsyncClient
from django.urls import path
from redis.asyncio import Redis

from accounts.models import Credentials, User
from accounts.people import known
from qulab.access import checks, sessions
from qulab.access.needs import Need, guarded
from qulab.access.person import fingerprint
from qulab.cache.client import create_redis
from qulab.db.engine import Database, create_database, databases
from qulab.health import healthz
from tests.access.people import account, sign_client_in, signed_in

COOKIE = django_settings.SESSION_COOKIE_NAME
STAFF_ONLY, OWN_ONLY, ANYONE = "/admin/", "/accounts/profile", "/"


@pytest.fixture
async def client(database: Database, streams_client: Redis, settings: Any) -> AsyncClient:
    """Somebody who comes over the network: no operator of this machine."""
    settings.LOCAL_OPERATOR = False
    return AsyncClient()


async def status(client: AsyncClient, path: str) -> int:
    return (await client.get(path)).status_code


class TestAnonymous:
    async def test_is_led_to_the_sign_in_and_from_there_back(self, client: AsyncClient) -> None:
        answer = await client.get(f"{STAFF_ONLY}users?q=a%26b")

        assert answer.status_code == 302
        assert answer["Location"] == "/accounts/sign-in?next=%2Fadmin%2Fusers%3Fq%3Da%2526b"

    async def test_is_not_led_back_to_what_would_have_changed_something(self, client: AsyncClient) -> None:
        answer = await client.post(f"{STAFF_ONLY}events/redrive", {"all": "1"})

        assert answer["Location"] == "/accounts/sign-in"

    async def test_sees_what_is_for_anyone(self, client: AsyncClient) -> None:
        assert await status(client, ANYONE) == 200

    async def test_a_made_up_session_is_none(self, client: AsyncClient) -> None:
        client.cookies[COOKIE] = "a" * 43

        answer = await client.get(STAFF_ONLY)

        assert answer.status_code == 302
        assert COOKIE not in answer.cookies, "an answer that comes late must not take back a newer session"


class TestPerson:
    async def test_sees_their_own_and_not_what_is_for_staff(self, client: AsyncClient, database: Database) -> None:
        await signed_in(client, database)

        assert await status(client, OWN_ONLY) == 200
        assert await status(client, STAFF_ONLY) == 403

    async def test_staff_see_both(self, client: AsyncClient, database: Database) -> None:
        await signed_in(client, database, is_staff=True)

        assert await status(client, OWN_ONLY) == 200
        assert await status(client, STAFF_ONLY) == 200

    async def test_rights_that_were_taken_are_gone_at_once(self, client: AsyncClient, database: Database) -> None:
        person = await signed_in(client, database, is_staff=True)
        async with database.writing() as session:
            credentials = await session.get_one(Credentials, person.id)
            credentials.is_staff = False
            await session.commit()

        assert await status(client, STAFF_ONLY) == 403

    async def test_another_password_ends_every_session(self, client: AsyncClient, database: Database) -> None:
        person = await signed_in(client, database)
        async with database.writing() as session:
            (await session.get_one(Credentials, person.id)).password = "another hash"
            await session.commit()

        assert await status(client, OWN_ONLY) == 302

    async def test_a_deleted_account_is_nobody(self, client: AsyncClient, database: Database) -> None:
        person = await signed_in(client, database)
        async with database.writing() as session:
            await session.delete(await session.get_one(User, person.id))
            await session.commit()

        assert await status(client, OWN_ONLY) == 302

    async def test_one_statement_tells_who_it_is(self, client: AsyncClient, database: Database) -> None:
        person = (await account(database, is_staff=True)).person

        found = await known(person.id)

        assert found is not None
        assert found.person == person

    async def test_a_shared_cache_may_not_keep_the_page(self, client: AsyncClient, database: Database) -> None:
        await signed_in(client, database)

        answer = await client.get(ANYONE)

        assert "private" in answer["Cache-Control"]
        assert "Cookie" in answer["Vary"]

    @pytest.mark.parametrize("address", ["/nowhere", "/lab/glossary"])
    async def test_is_known_on_a_page_that_is_not_there_too(
        self, client: AsyncClient, database: Database, settings: Any, address: str
    ) -> None:
        settings.LAB = "off"
        await signed_in(client, database, name="Known Person")

        answer = await client.get(address)

        assert answer.status_code == 404
        assert "Known Person" in answer.content.decode()


class TestSessions:
    async def test_redis_holds_no_key_that_a_browser_could_send(
        self, client: AsyncClient, database: Database, redis_url: str
    ) -> None:
        await signed_in(client, database)
        key = client.cookies[COOKIE].value
        async with create_redis(django_settings.REDIS_SESSIONS_URL, timeout=5, text=True) as redis:
            names = await redis.keys("*")
            values = [await redis.get(name) for name in names if name.startswith("session:")]

        assert len(values) == 1
        assert not any(key in text for text in [*names, *values])

    async def test_one_can_be_taken_back_at_any_moment(self, client: AsyncClient, database: Database) -> None:
        someone = await account(database)
        browsers = [AsyncClient() for _ in range(3)]
        for browser in browsers:
            await sign_client_in(browser, someone)

        ended = await sessions.end_sessions(someone.person.id, but=browsers[0].cookies[COOKIE].value)

        assert ended == 2
        assert [await status(browser, OWN_ONLY) for browser in browsers] == [200, 302, 302]

    async def test_signing_in_begins_under_a_new_key(self, client: AsyncClient, database: Database) -> None:
        await signed_in(client, database)
        before = client.cookies[COOKIE].value
        await signed_in(client, database)

        assert client.cookies[COOKIE].value != before

    @pytest.mark.parametrize(
        ("is_staff", "hours", "expected"),
        [(False, 24 * 29, 200), (False, 24 * 31, 302), (True, 11, 200), (True, 13, 302)],
    )
    async def test_one_ends_some_time_however_often_it_is_used(
        self, client: AsyncClient, database: Database, is_staff: bool, hours: int, expected: int
    ) -> None:
        await signed_in(client, database, is_staff=is_staff)
        store = sessions.SessionStore(client.cookies[COOKIE].value)
        await store.aset(sessions.OPENED, time.time() - hours * 3600)
        await store.asave()

        assert await status(client, OWN_ONLY) == expected

    async def test_what_is_noted_of_a_person_does_not_grow(self, client: AsyncClient, database: Database) -> None:
        someone = await account(database)
        for _ in range(3):
            await sign_client_in(client, someone)
            await client.post("/accounts/sign-out")
        await sign_client_in(client, someone)

        async with create_redis(django_settings.REDIS_SESSIONS_URL, timeout=5, text=True) as redis:
            assert await redis.zcard(f"sessions-of:{someone.person.id}") == 1

    async def test_one_that_could_not_be_opened_whole_is_none(
        self, client: AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fail(*_: Any) -> None:
            raise sessions.SessionsAway

        someone = await account(database)
        monkeypatch.setattr(sessions, "_list", fail)
        request = HttpRequest()
        request.session = sessions.SessionStore()

        with pytest.raises(sessions.SessionsAway):
            await sessions.sign_in(request, someone)
        assert not request.session.modified
        assert await request.session.aget(sessions.USER) is None

    async def test_nobody_chooses_the_key_of_a_session(self, client: AsyncClient) -> None:
        store = sessions.SessionStore("chosen-by-somebody-else-1234567890")
        await store.aset("user", "x")
        await store.asave()

        assert store.session_key != "chosen-by-somebody-else-1234567890"

    async def test_saving_does_not_bring_back_what_was_ended(self, client: AsyncClient, database: Database) -> None:
        store = sessions.SessionStore()
        await store.acreate()
        await store.aset("user", "x")
        await sessions.SessionStore(store.session_key).adelete()

        with pytest.raises(sessions.UpdateError):
            await store.asave()
        assert not await store.aexists(store.session_key or "")

    async def test_the_browser_gets_its_cookie_again_before_it_ends(
        self, client: AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await signed_in(client, database)
        assert COOKIE not in (await client.get(ANYONE)).cookies

        monkeypatch.setattr(sessions, "RENEW_AFTER", -1)

        cookie = (await client.get(ANYONE)).cookies[COOKIE]
        assert cookie["max-age"] == django_settings.SESSION_COOKIE_AGE
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"

    def test_the_fingerprint_tells_nothing_of_the_hash(self) -> None:
        assert "hash" not in fingerprint("hash")
        assert fingerprint("hash") != fingerprint("other")


class TestWithoutRedis:
    @pytest.fixture
    async def client(self, client: AsyncClient, database: Database, settings: Any) -> AsyncClient:
        """Somebody who is signed in, when Redis goes away."""
        await signed_in(client, database, is_staff=True)
        await sessions.redis_of_sessions.close()
        settings.REDIS_SESSIONS_URL = "redis://127.0.0.1:1/5"
        return client

    @pytest.mark.parametrize("address", [OWN_ONLY, STAFF_ONLY])
    async def test_nobody_is_taken_for_signed_out(self, client: AsyncClient, address: str) -> None:
        answer = await client.get(address)

        assert answer.status_code == 503
        assert answer["Retry-After"]
        assert COOKIE not in answer.cookies
        assert "If you were signed in, you still are" in answer.content.decode()
        assert "Sign in" not in answer.content.decode()

    async def test_a_page_for_anyone_says_that_it_cannot_tell(self, client: AsyncClient) -> None:
        answer = await client.get("/lab/glossary")

        assert answer.status_code == 200
        assert "Who you are cannot be told now" in answer.content.decode()
        assert COOKIE not in answer.cookies

    async def test_who_is_not_signed_in_asks_nothing_of_it(self, client: AsyncClient) -> None:
        assert await status(AsyncClient(), STAFF_ONLY) == 302


class TestWithoutDatabase:
    @pytest.fixture
    async def client(self, client: AsyncClient, database: Database) -> AsyncIterator[AsyncClient]:
        """Somebody who is signed in, when the database goes away."""
        await signed_in(client, database, is_staff=True)
        gone = create_database("postgresql+asyncpg://127.0.0.1:1/gone")
        databases.lend(gone)
        yield client
        await gone.close()
        databases.lend(database)

    @pytest.mark.parametrize("address", [OWN_ONLY, STAFF_ONLY])
    async def test_it_is_told_that_it_is_away(self, client: AsyncClient, address: str) -> None:
        answer = await client.get(address)

        assert answer.status_code == 503
        assert "no-store" in answer["Cache-Control"]

    async def test_a_page_for_anyone_says_that_it_cannot_tell_who_asks(self, client: AsyncClient) -> None:
        answer = await client.get("/lab/glossary")

        assert answer.status_code == 200
        assert "Who you are cannot be told now" in answer.content.decode()

    async def test_a_view_that_needs_it_says_so_and_not_that_the_server_failed(
        self, client: AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = await AsyncClient().get("/lab/1")

        assert answer.status_code == 503
        assert "The database does not answer" in answer.content.decode()
        assert "a server it needs is away" in caplog.text

    async def test_nor_can_anybody_sign_in(self, client: AsyncClient) -> None:
        answer = await AsyncClient().post("/accounts/sign-in", {"email": "a@example.com", "password": "some password"})

        assert answer.status_code == 503


class TestNeeds:
    async def test_an_address_without_one_is_closed_to_all(
        self, client: AsyncClient, database: Database, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.ROOT_URLCONF = "tests.access.unguarded"
        await signed_in(client, database, is_staff=True)

        assert await status(client, "/unguarded") == 403
        assert "says not whom it lets in" in caplog.text

    def test_the_check_names_it(self, settings: Any) -> None:
        assert checks.every_address_says_whom_it_lets_in(None) == []

        settings.ROOT_URLCONF = "tests.access.unguarded"

        (error,) = checks.every_address_says_whom_it_lets_in(None)
        assert "'unguarded'" in error.msg

    async def test_what_asks_nothing_knows_nobody(self, client: AsyncClient, database: Database) -> None:
        client.cookies[COOKIE] = "a" * 43
        answer = await client.get("/healthz")

        assert answer.status_code == 200
        assert "Vary" not in answer or "Cookie" not in answer["Vary"]

    def test_one_view_may_stand_at_two_addresses(self) -> None:
        (a,) = guarded(Need.NOTHING, [path("a", healthz)])
        (b,) = guarded(Need.STAFF, [path("b", healthz)])

        assert a.callback.need is Need.NOTHING
        assert b.callback.need is Need.STAFF


class TestLab:
    @pytest.mark.parametrize(("mode", "expected"), [("open", 200), ("staff", 302), ("off", 404)])
    async def test_is_as_open_as_the_setting_says(
        self, client: AsyncClient, settings: Any, mode: str, expected: int
    ) -> None:
        settings.LAB = mode

        assert await status(client, "/lab/glossary") == expected

    @pytest.mark.parametrize(("mode", "expected"), [("open", 200), ("staff", 200), ("off", 404)])
    async def test_staff_come_in_unless_it_is_off(
        self, client: AsyncClient, database: Database, settings: Any, mode: str, expected: int
    ) -> None:
        settings.LAB = mode
        await signed_in(client, database, is_staff=True)

        assert await status(client, "/lab/glossary") == expected


class TestOperator:
    async def test_needs_no_account_for_what_is_for_staff(self, client: AsyncClient, settings: Any) -> None:
        settings.LOCAL_OPERATOR = True

        answer = await client.get(STAFF_ONLY)

        assert answer.status_code == 200
        assert "You are the operator at this machine" in answer.content.decode()

    async def test_has_no_account_to_edit(self, client: AsyncClient, settings: Any) -> None:
        settings.LOCAL_OPERATOR = True

        assert await status(client, "/accounts/edit") == 302

    async def test_who_is_signed_in_is_who_they_are(
        self, client: AsyncClient, database: Database, settings: Any
    ) -> None:
        settings.LOCAL_OPERATOR = True
        await signed_in(client, database)

        assert await status(client, STAFF_ONLY) == 403

    async def test_comes_through_nobody(self, client: AsyncClient, settings: Any) -> None:
        settings.LOCAL_OPERATOR = True

        assert (await client.get(STAFF_ONLY, headers={"x-forwarded-for": "192.0.2.1"})).status_code == 302
