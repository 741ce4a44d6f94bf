"""A list that a search or filter narrows reads its table once for that, and the page is taken from what was found."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from outbox.models import Status
from qulab.admin import query
from qulab.db.engine import Database
from qulab.db.probe import Probe, probe
from qulab.db.session import Session
from tests.admin.conftest import Desk, event, score, store, user, users


@pytest.fixture
def three_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "MOST_MATCHED", 3)


def searches(opened: Probe) -> list[str]:
    """The statements that look into each row."""
    return [one.sql for one in opened.statements if "LIKE" in one.sql]


class TestStatements:
    async def test_a_text_that_nothing_has_is_looked_for_once(self, desk: Desk, database: Database) -> None:
        await users(database, 5)

        with probe(database.engine) as opened:
            page = await desk.get("users?q=nobody")

        assert "0 match" in page.text
        assert opened.count == 1

    @pytest.mark.parametrize("path", ["users?q=person", "users?q=person&sort=-name", "users?q=person&last=1"])
    async def test_a_text_that_some_have_is_looked_for_once(self, desk: Desk, database: Database, path: str) -> None:
        await users(database, 5)

        with probe(database.engine) as opened:
            page = await desk.get(path)

        assert len(page.keys("users")) == 5
        assert opened.count == 2
        assert len(searches(opened)) == 1

    async def test_tabs_are_counted_by_what_was_found(self, desk: Desk, database: Database) -> None:
        await store(database, event(), event(Status.DEAD), event(Status.DEAD), event(event_type="Other"))

        with probe(database.engine) as opened:
            page = await desk.get("events?q=usercreated&status=dead")

        assert opened.count == 2
        assert len(page.keys("events")) == 2
        for expected in ("All 3", "Pending 1", "Dead 2", "Published 0", "2 match"):
            assert expected in page.text

    async def test_a_tab_alone_is_left_to_its_index(self, desk: Desk, database: Database) -> None:
        await store(database, event(Status.DEAD))

        with probe(database.engine) as opened:
            await desk.get("events?status=dead")

        assert opened.count == 2
        assert all(str(query.MOST_MATCHED + 1) not in one.sql for one in opened.statements)


class TestMoreThanIsFollowed:
    async def test_says_at_least_how_many_there_are(self, desk: Desk, database: Database, three_at_most: None) -> None:
        await users(database, 5)

        page = await desk.get("users?q=person")

        assert "3+ match" in page.text
        assert len(page.keys("users")) == 5

    async def test_a_tab_of_which_none_was_met_is_not_said_to_be_empty(
        self, desk: Desk, database: Database, three_at_most: None
    ) -> None:
        await store(database, *(event() for _ in range(5)), event(Status.DEAD, event_type="Other"))

        page = await desk.get("events?q=usercreated")

        assert "All 3+" in page.text
        assert "Dead ?" in page.text

    @pytest.mark.parametrize("sort", ["", "created", "name", "-email"])
    async def test_all_pages_give_each_row_once(
        self, desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch, three_at_most: None, sort: str
    ) -> None:
        monkeypatch.setattr(query, "PAGE", 5)
        stored = {one.id for one in await users(database, 13)}

        pages = await desk.walk(f"users?q=person&sort={sort}")

        found = [key for page in pages for key in page.keys("users")]
        assert len(found) == 13
        assert set(found) == stored

    async def test_a_row_that_is_referred_to_is_searched_too(
        self, desk: Desk, database: Database, three_at_most: None
    ) -> None:
        owner, other = user(1, name="Alex Smith"), user(2)
        await store(database, owner, other)
        await store(database, *(score(owner) for _ in range(5)), score(other))

        assert len((await desk.get("scores?q=smith")).keys("scores")) == 5


class TestWhole:
    @pytest.mark.parametrize("sort", ["", "created", "name", "-name", "email"])
    async def test_all_pages_of_what_was_found_give_each_row_once(
        self, desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch, sort: str
    ) -> None:
        monkeypatch.setattr(query, "PAGE", 5)
        stored = {one.id for one in await users(database, 13)}
        await store(database, user(99, name="Someone Else"))

        forwards = await desk.walk(f"users?q=person&sort={sort}")
        backwards = await desk.walk(f"users?q=person&sort={sort}&last=1", "prev")

        found = [key for page in forwards for key in page.keys("users")]
        assert len(found) == 13
        assert set(found) == stored
        assert [key for page in backwards[::-1] for key in page.keys("users")] == found


class TestTooLong:
    async def test_a_statement_that_takes_too_long_is_told(
        self, desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if database.dialect == "sqlite":
            pytest.skip("SQLite has no timeout of statements")

        async def sleep(session: Session, *_given: object) -> None:
            await session.execute(text("SET LOCAL statement_timeout = 20"))
            await session.execute(text("SELECT pg_sleep(5)"))

        monkeypatch.setattr(query, "matches", sleep)

        page = await desk.get("users?q=person")

        assert page.status == 503
        assert "The database gave up after 30 seconds." in page.text
        assert "Nothing was listed" in page.text

    async def test_another_failure_is_none_of_that(
        self, desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fail(*_given: object) -> None:
            raise ProgrammingError("SELECT", None, Exception("no such thing"))

        monkeypatch.setattr(query, "matches", fail)

        with pytest.raises(ProgrammingError):
            await desk.get("users?q=person")
