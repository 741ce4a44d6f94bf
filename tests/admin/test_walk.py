from collections.abc import Sequence
from datetime import timedelta

import pytest

from accounts.models import User
from outbox.models import Status
from qulab.admin import query
from qulab.admin.cursor import encode
from qulab.db.engine import Database
from tests.admin.conftest import NOON, Desk, Page, event, score, store, user, users

ROWS = 23
PAGE = 5


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "PAGE", PAGE)


def ids(pages: Sequence[Page], name: str) -> list[str]:
    return [key for page in pages for key in page.keys(name)]


class TestWalk:
    """All pages, forwards and backwards, give each row once."""

    @pytest.mark.parametrize("sort", ["", "created", "name", "-name", "email", "-email"])
    async def test_users(self, desk: Desk, database: Database, small_pages: None, sort: str) -> None:
        stored = {one.id for one in await users(database, ROWS)}

        await self.check(desk, f"users?sort={sort}", stored)

    @pytest.mark.parametrize("sort", ["name", "-name"])
    async def test_rows_with_equal_names(self, desk: Desk, database: Database, small_pages: None, sort: str) -> None:
        stored = {one.id for one in await users(database, ROWS, name="Same")}

        await self.check(desk, f"users?sort={sort}", stored)

    @pytest.mark.parametrize("sort", ["air_score", "-air_score"])
    async def test_scores_with_few_values(self, desk: Desk, database: Database, small_pages: None, sort: str) -> None:
        owner = user()
        rows = [score(owner, 50 + (n % 3) / 10) for n in range(ROWS)]
        await store(database, owner, *rows)

        await self.check(desk, f"scores?sort={sort}", {one.id for one in rows})

    @pytest.mark.parametrize("sort", ["", "created"])
    async def test_events_of_one_moment_within_a_status(
        self, desk: Desk, database: Database, small_pages: None, sort: str
    ) -> None:
        rows = [event(Status.DEAD, created_at=NOON + timedelta(seconds=n % 2)) for n in range(ROWS)]
        await store(database, *rows, event())

        await self.check(desk, f"events?status=dead&sort={sort}", {one.id for one in rows})

    async def check(self, desk: Desk, path: str, stored: set[str]) -> None:
        name = path.partition("?")[0]
        forwards = await desk.walk(path)
        backwards = await desk.walk(f"{path}&last=1", "prev")

        found = ids(forwards, name)
        assert len(found) == len(stored)
        assert set(found) == stored
        assert ids(backwards[::-1], name) == found
        assert len(forwards) == len(backwards) == -(-ROWS // PAGE)

    async def test_the_way_back_from_the_second_page_leads_to_the_first(
        self, desk: Desk, database: Database, small_pages: None
    ) -> None:
        await users(database, ROWS)
        first, second, *_ = await desk.walk("users")

        back = await desk.get("users" + second.rel("prev"))

        assert back.keys("users") == first.keys("users")
        assert not back.rel("prev")

    async def test_links_keep_search_filter_and_sort(self, desk: Desk, database: Database, small_pages: None) -> None:
        await users(database, ROWS, occupation_code="15-1252")

        page = (await desk.walk("users?q=person&occupation_code=15-1252&sort=name"))[1]

        for rel in ("first", "prev", "next", "last"):
            assert "q=person&occupation_code=15-1252&sort=name" in page.rel(rel)
        assert page.rel("first") == "?q=person&occupation_code=15-1252&sort=name"
        assert page.rel("last").endswith("&last=1")

    async def test_one_page_has_no_ways_on(self, desk: Desk, database: Database, small_pages: None) -> None:
        await users(database, PAGE)

        page = await desk.get("users")

        assert 'aria-label="Pages"' not in page.html

    async def test_a_place_behind_the_last_row_says_so_and_leads_to_the_first_page(
        self, desk: Desk, database: Database, small_pages: None
    ) -> None:
        last = (await users(database, 3))[0]

        page = await desk.get(f"users?after={encode([User.id], last)}")

        assert page.status == 200
        assert "Nothing is on this side of that place any more." in page.text
        assert page.rel("first") == "?"
