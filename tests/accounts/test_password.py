"""A changed password ends what was opened with the old one; a link that sets one works once, and is seen nowhere."""

import asyncio
import json
import logging
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import check_password, make_password
from django.core import mail
from django.test import AsyncClient
from redis import Redis as SyncRedis
from sqlalchemy import update

from accounts import entry, tasks, tokens
from accounts.holders import holder_of_id, replace_password
from accounts.models import Credentials
from accounts.services import update_user
from qulab.access.sessions import redis_of_sessions
from qulab.cache.client import create_redis
from qulab.db import worker
from qulab.db.engine import Database
from qulab.db.loop import close_all
from tests.access.people import PASSWORD

from . import refusing_mail
from .pages import EMAIL, NEW, is_signed_in, post, sign_in, sign_up, somebody, without_credentials, words

COOKIE = django_settings.SESSION_COOKIE_NAME
LINK = re.compile(r"https?://[^/\s]+(/accounts/reset/\S+)")


async def change(client: AsyncClient, *, current: str = PASSWORD, new: str = NEW, again: str = NEW) -> Any:
    return await post(client, "password", current=current, new=new, again=again)


async def hash_of(database: Database, user_id: str) -> str | None:
    async with database.reading() as session:
        credentials = await session.get(Credentials, user_id)
    return credentials.password if credentials else None


class TestChange:
    async def test_ends_every_other_session_and_keeps_this_one_under_a_new_key(
        self, browser: AsyncClient, database: Database
    ) -> None:
        await somebody(database)
        other = AsyncClient()
        for client in (browser, other):
            await sign_in(client)
        before = browser.cookies[COOKIE].value

        answer = await change(browser)

        assert answer["Location"] == "/accounts/profile?done=password"
        assert await is_signed_in(browser)
        assert browser.cookies[COOKIE].value != before
        assert not await is_signed_in(other)
        assert (await sign_in(other)).status_code == 422
        assert (await sign_in(other, password=NEW)).status_code == 302

    async def test_ends_them_also_where_redis_kept_them(
        self, browser: AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The hash that a session was opened with is compared, so nothing hangs on their being deleted."""
        from qulab.access import sessions

        async def forget(*_: Any, **__: Any) -> int:
            return 0

        await somebody(database)
        other = AsyncClient()
        for client in (browser, other):
            await sign_in(client)
        monkeypatch.setattr(sessions, "end_sessions", forget)

        await change(browser)

        assert not await is_signed_in(other)

    async def test_needs_the_current_one(self, browser: AsyncClient, database: Database) -> None:
        person = await somebody(database)
        await sign_in(browser)

        answer = await change(browser, current="not it, but long enough")

        assert answer.status_code == 422
        assert "This is not your current password." in words(answer)
        assert check_password(PASSWORD, str(await hash_of(database, person.id)))

    async def test_to_one_like_the_profile_is_refused(self, browser: AsyncClient, database: Database) -> None:
        await somebody(database, name="Ada Lovelace")
        await sign_in(browser)

        answer = await change(browser, new="ada lovelace", again="ada lovelace")

        assert answer.status_code == 422
        assert "too similar to the name" in words(answer)

    async def test_of_somebody_else_cannot_be_asked_for(self, browser: AsyncClient, database: Database) -> None:
        await somebody(database)
        other = await somebody(database, email="other@example.com")
        await sign_in(browser)

        await post(browser, "password", current=PASSWORD, new=NEW, again=NEW, user_id=other.id, email=other.email)

        assert check_password(PASSWORD, str(await hash_of(database, other.id)))


class TestWhileItIsCompared:
    """Between the reading of a hash and what follows from it lies the time of a hash: enough for another change."""

    @pytest.fixture
    def changed(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        check = entry.check_password

        async def changed_meanwhile(password: str, encoded: str | None) -> Any:
            async with database.writing() as session:
                await session.execute(update(Credentials).values(password=make_password("of somebody who was first")))
                await session.commit()
            return await check(password, encoded)

        monkeypatch.setattr(entry, "check_password", changed_meanwhile)

    async def test_a_password_that_was_changed_opens_nothing(
        self, browser: AsyncClient, database: Database, changed: None
    ) -> None:
        await somebody(database)

        assert (await sign_in(browser)).status_code == 422
        assert not await is_signed_in(browser)

    async def test_of_two_changes_the_second_is_told(self, browser: AsyncClient, database: Database) -> None:
        person = await somebody(database)
        async with database.reading() as session:
            holder = await holder_of_id(session, person.id)
        assert holder is not None
        async with database.writing() as session:
            assert await replace_password(session, holder, make_password("the first"))
            await session.commit()
        async with database.writing() as session:
            assert not await replace_password(session, holder, make_password("the second"))
            await session.commit()

        assert check_password("the first", str(await hash_of(database, person.id)))


class TestElsewhere:
    async def test_all_but_this_browser_are_signed_out(self, browser: AsyncClient, database: Database) -> None:
        await somebody(database)
        others = [AsyncClient(), AsyncClient()]
        for client in (browser, *others):
            await sign_in(client)

        answer = await post(browser, "elsewhere")

        assert answer["Location"] == "/accounts/profile?done=elsewhere"
        assert [await is_signed_in(client) for client in (browser, *others)] == [True, False, False]


class Post:
    """Mail as it is sent at once, by the task itself."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def send(self, user_id: str) -> None:
        self.asked.append(user_id)
        message = await tasks._mail_for(user_id)
        if message is not None:
            message.send()

    @property
    def link(self) -> str:
        found = LINK.search(str(mail.outbox[-1].body))
        assert found
        return found[1]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Post:
    post = Post()
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    mail.outbox = []
    monkeypatch.setattr("accounts.views.password.send_reset", post.send)
    return post


async def set_new(client: AsyncClient, password: str = NEW) -> Any:
    return await post(client, "reset/new", new=password, again=password)


class TestReset:
    async def test_sets_a_password_by_a_link_that_works_once(
        self, browser: AsyncClient, database: Database, sent: Post
    ) -> None:
        person = await somebody(database)
        signed_in = AsyncClient()
        await sign_in(signed_in)

        asked = await post(browser, "reset", email=EMAIL)
        followed = await browser.get(sent.link)
        answer = await set_new(browser)

        assert asked["Location"] == "/accounts/reset/sent"
        assert followed["Location"] == "/accounts/reset/new"
        assert answer["Location"] == "/accounts/sign-in?done=reset"
        assert check_password(NEW, str(await hash_of(database, person.id)))
        assert not await is_signed_in(signed_in)
        assert (await sign_in(browser, password=NEW)).status_code == 302
        again = AsyncClient()
        await again.get(sent.link)
        assert (await again.get("/accounts/reset/new")).status_code == 404
        assert (await set_new(again, "a third phrase for it")).status_code == 404
        assert check_password(NEW, str(await hash_of(database, person.id)))

    async def test_sets_the_first_password_of_a_profile_without_one(
        self, browser: AsyncClient, database: Database, sent: Post
    ) -> None:
        user_id = await without_credentials(database)

        await post(browser, "reset", email=EMAIL)
        await browser.get(sent.link)
        shown = await browser.get("/accounts/reset/new")
        await set_new(browser)

        assert "Set your first password" in words(shown)
        assert check_password(NEW, str(await hash_of(database, user_id)))
        assert (await sign_in(browser, password=NEW)).status_code == 302

    @pytest.mark.parametrize("first", [True, False])
    async def test_of_two_at_once_with_one_link_one_is_told(
        self, browser: AsyncClient, database: Database, sent: Post, first: bool
    ) -> None:
        user_id = await without_credentials(database) if first else (await somebody(database)).id
        await post(browser, "reset", email=EMAIL)
        token = sent.link.rpartition("/")[2]
        holders = [await entry.holder_of_link(database, user_id=user_id, token=token) for _ in range(2)]

        await entry.set_password(database, holder=holders[0], password=NEW)
        with pytest.raises(entry.LinkIsOver):
            await entry.set_password(database, holder=holders[1], password="another phrase of theirs")

        assert check_password(NEW, str(await hash_of(database, user_id)))

    async def test_says_the_same_of_an_address_that_nobody_has(
        self, browser: AsyncClient, database: Database, sent: Post
    ) -> None:
        await somebody(database)

        known = await post(browser, "reset", email=EMAIL)
        unknown = await post(browser, "reset", email="nobody@example.com")

        assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
        assert len(sent.asked) == 2  # as much is done for both
        assert len(sent.asked[0]) == len(sent.asked[1])
        assert len(mail.outbox) == 1

    async def test_leads_to_this_site_whatever_the_request_says(
        self, browser: AsyncClient, database: Database, sent: Post, settings: Any
    ) -> None:
        settings.ALLOWED_HOSTS, settings.USE_X_FORWARDED_HOST = ["*"], True
        await somebody(database)

        await browser.post("/accounts/reset", {"email": EMAIL}, headers={"X-Forwarded-Host": "elsewhere.example"})

        assert f"{settings.SITE_URL}/accounts/reset/" in str(mail.outbox[0].body)
        assert "elsewhere" not in str(mail.outbox[0].body)

    async def test_keeps_the_token_out_of_every_page(
        self, browser: AsyncClient, database: Database, sent: Post
    ) -> None:
        await somebody(database)
        await post(browser, "reset", email=EMAIL)
        token = sent.link.rpartition("/")[2]

        followed = await browser.get(sent.link)
        shown = await browser.get(followed["Location"])

        cookie = followed.cookies["qulab-reset"]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/accounts/reset")
        assert token not in followed["Location"] + words(followed) + words(shown)
        assert "no-store" in followed["Cache-Control"]
        assert "no-store" in shown["Cache-Control"]

    @pytest.mark.parametrize("what", ["old", "of another", "broken", "signed elsewhere", "missing", "email changed"])
    async def test_is_refused_with_a_link_that_is_over(
        self, browser: AsyncClient, database: Database, sent: Post, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        person = await somebody(database)
        other = await somebody(database, email="other@example.com")
        await post(browser, "reset", email=EMAIL)
        link = sent.link
        if what == "old":
            later = datetime.now() + timedelta(seconds=3601)  # noqa: DTZ005 - as Django counts
            monkeypatch.setattr(tokens._tokens, "_now", lambda: later)
        elif what == "of another":
            link = link.replace(person.id, other.id)
        elif what == "broken":
            link = f"{link[:-1]}{'0' if link[-1] != '0' else '1'}"
        elif what == "email changed":
            async with database.writing() as session:
                await update_user(session, user_id=person.id, email="moved@example.com")
        if what != "missing":
            await browser.get(link)
        if what == "signed elsewhere":
            browser.cookies["qulab-reset"] = "W10:1abcde:forged"

        shown, answer = await browser.get("/accounts/reset/new"), await set_new(browser)

        assert (shown.status_code, answer.status_code) == (404, 404)
        assert "This link cannot be used" in words(shown)
        for user_id in (person.id, other.id):
            assert check_password(PASSWORD, str(await hash_of(database, user_id)))

    async def test_of_nobody_or_of_what_is_no_id_is_over(self, browser: AsyncClient) -> None:
        for user_id in ("nobody", "%00", "x" * 500):
            await browser.get(f"/accounts/reset/{user_id}/abc-def")
            assert (await browser.get("/accounts/reset/new")).status_code == 404

    async def test_clears_the_count_of_wrong_passwords(
        self, browser: AsyncClient, database: Database, sent: Post
    ) -> None:
        await somebody(database)
        for _ in range(11):
            last = await sign_in(browser, password="guess")
        assert last.status_code == 429

        await post(browser, "reset", email=EMAIL)
        await browser.get(sent.link)
        await set_new(browser)

        assert (await sign_in(browser, password=NEW)).status_code == 302


class TestTheMessage:
    async def test_names_a_user_and_nothing_else(
        self, browser: AsyncClient, database: Database, redis_url: str
    ) -> None:
        person = await somebody(database)

        answer = await post(browser, "reset", email=EMAIL)

        assert answer["Location"] == "/accounts/reset/sent"
        message = _queued(redis_url)
        assert message["headers"]["task"] == "accounts.tasks.send_reset_mail"
        assert message["headers"]["argsrepr"] == f"[{person.id!r}]"
        assert EMAIL not in json.dumps(message)
        assert "reset/" not in json.dumps(message)

    async def test_that_cannot_be_handed_over_is_said(
        self, browser: AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(**_: Any) -> None:
            raise ConnectionError

        await somebody(database)
        monkeypatch.setattr(tasks.send_reset_mail, "apply_async", refuse)

        answer = await post(browser, "reset", email=EMAIL)

        assert answer.status_code == 503
        assert "No mail can be sent now" in words(answer)


def _queued(redis_url: str) -> Any:
    with SyncRedis.from_url(f"{redis_url.removesuffix('/0')}/2") as redis:
        message = json.loads(redis.lindex("mail", 0))
    return {**message, "body": message["body"]}


class TestTask:
    @pytest.fixture(autouse=True)
    def in_a_worker(self, monkeypatch: pytest.MonkeyPatch, settings: Any, fast: None) -> None:
        """A loop for each call, in a thread: signals, by which a worker's own is stopped, want the main one."""

        async def closing(coroutine: Any) -> Any:
            try:
                return await coroutine
            finally:
                await close_all()

        monkeypatch.setattr(worker, "run", lambda coroutine: asyncio.run(closing(coroutine)))
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        mail.outbox = []

    async def run(self, user_id: str) -> Any:
        return await asyncio.to_thread(tasks.send_reset_mail.apply, args=[user_id])

    async def test_sends_to_the_address_of_the_profile(self, database: Database) -> None:
        person = await somebody(database)

        result = await self.run(person.id)

        assert result.successful(), result.traceback
        assert [message.to for message in mail.outbox] == [[EMAIL]]

    async def test_for_nobody_sends_nothing(self, database: Database) -> None:
        result = await self.run("00000000-0000-7000-8000-000000000000")

        assert result.successful()
        assert mail.outbox == []

    async def test_tries_again_and_tells_no_log_who_it_was_for(
        self, database: Database, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.EMAIL_BACKEND = "tests.accounts.refusing_mail.EmailBackend"
        refusing_mail.EmailBackend.asked = 0
        person = await somebody(database)
        caplog.set_level(logging.DEBUG)

        result = await self.run(person.id)

        assert refusing_mail.EmailBackend.asked == 1 + tasks.RETRIES
        assert isinstance(result.result, tasks.NotTaken)
        assert EMAIL not in f"{caplog.text} {result.traceback}"


class TestLogs:
    async def test_have_no_address_no_password_and_no_token(
        self, browser: AsyncClient, database: Database, sent: Post, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        await sign_up(browser)
        await sign_up(AsyncClient())
        await sign_in(AsyncClient(), password=NEW)
        await change(browser, current=NEW, new=PASSWORD)
        await post(browser, "reset", email=EMAIL)
        token = sent.link.rpartition("/")[2]
        await browser.get(sent.link)
        await set_new(browser)

        from qulab.logs import cleared

        ours = "\n".join(
            record.getMessage() for record in caplog.records if not record.name.startswith(("aiosqlite", "sqlalchemy"))
        )
        for secret in (EMAIL, PASSWORD, NEW, browser.cookies[COOKIE].value or "no key"):
            assert secret not in ours
        assert token not in cleared(ours)


class TestRedisAway:
    @pytest.mark.parametrize("page", ["profile", "password", "edit", "delete", "export.json"])
    async def test_nobody_is_taken_for_signed_out(self, browser: AsyncClient, database: Database, page: str) -> None:
        await somebody(database)
        await sign_in(browser)
        nowhere = create_redis("redis://127.0.0.1:1/5", timeout=0.2, text=True)
        before = redis_of_sessions.lend(nowhere)
        try:
            answer = await browser.get(f"/accounts/{page}")
        finally:
            redis_of_sessions.lend(before)
            await nowhere.aclose()

        assert answer.status_code == 503
        assert "If you were signed in, you still are" in words(answer)
        assert await is_signed_in(browser)
