"""The stored data as an operator finds it, on the site with many rows, with JavaScript and without."""

import csv
import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from .person import press, table
from .sites import USERS, Sites

pytestmark = pytest.mark.parametrize("scripting", [True, False], ids=["with JavaScript", "without"])

A_PAGE = 50


async def open_list(page: Page, sites: Sites, title: str) -> None:
    """From the introduction, by the sidebar and the overview."""
    await page.goto(sites.full)
    await page.get_by_role("navigation", name="Data").get_by_role("link", name="Data").click()
    await page.get_by_role("main").get_by_role("link", name=title, exact=True).click()
    await expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()


def rows(page: Page, title: str) -> Locator:
    """The rows of a list, without that of its headings."""
    return table(page, title).get_by_role("row").filter(has=page.get_by_role("cell"))


async def names(page: Page) -> list[str]:
    return await rows(page, "Users").get_by_role("link").all_inner_texts()


class TestUsers:
    async def test_a_search_lists_who_matches_and_clearing_it_all(self, page: Page, sites: Sites) -> None:
        await open_list(page, sites, "Users")
        email = await rows(page, "Users").nth(7).get_by_text("@example.com").inner_text()

        await page.get_by_role("main").get_by_label("Search").fill(email.upper())
        await press(page, "Apply")
        await expect(rows(page, "Users")).to_have_count(1)
        await expect(rows(page, "Users")).to_contain_text(email)
        await page.get_by_role("link", name="Clear").click()

        await expect(rows(page, "Users")).to_have_count(A_PAGE)

    async def test_a_filter_and_an_order_stay_over_the_pages_to_the_last_and_back(
        self, page: Page, sites: Sites
    ) -> None:
        await open_list(page, sites, "Users")
        await page.get_by_role("main").get_by_label("Search").fill("example.com")
        await page.get_by_label("Order").select_option(label="Email, A to Z")
        await press(page, "Apply")

        seen: list[list[str]] = []
        for way in ("Next →", "Next →", "← Previous", "Last", "First"):
            seen.append(await names(page))
            await page.get_by_role("navigation", name="Pages").get_by_role("link", name=way).click()
            await expect(page.get_by_label("Order")).to_have_value("email")
        first, second, third, again, last = seen

        assert [len(first), len(second), len(third)] == [A_PAGE, A_PAGE, USERS - 2 * A_PAGE]
        assert again == second
        assert last[-len(third) :] == third  # a full page, counted from the end
        assert await names(page) == first

    async def test_the_heading_of_a_column_orders_by_it(self, page: Page, sites: Sites) -> None:
        await open_list(page, sites, "Users")

        await page.get_by_role("columnheader", name="Name").get_by_role("link").click()

        await expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "ascending")
        assert await names(page) == sorted(await names(page))

    async def test_a_user_is_shown_with_their_scores_and_a_score_leads_back(self, page: Page, sites: Sites) -> None:
        await open_list(page, sites, "Users")
        name = (await names(page))[0]

        await rows(page, "Users").first.get_by_role("link").click()
        await expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
        await expect(rows(page, "Scores")).to_have_count(2)
        await rows(page, "Scores").first.get_by_role("link").click()
        await page.get_by_role("table").get_by_role("link", name=name).click()

        await expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()

    async def test_what_is_listed_is_taken_as_a_file(self, page: Page, sites: Sites, tmp_path: Path) -> None:
        await open_list(page, sites, "Users")
        await page.get_by_role("main").get_by_label("Search").fill("example.com")
        await page.get_by_label("Order").select_option(label="Name, A to Z")
        await press(page, "Apply")
        shown = await names(page)

        async with page.expect_download() as waiting:
            await press(page, "Export CSV")
        file = await waiting.value
        await file.save_as(tmp_path / file.suggested_filename)

        with (tmp_path / file.suggested_filename).open(newline="", encoding="utf-8") as text:
            found = [row["name"] for row in csv.DictReader(text)]
        assert re.fullmatch(r"users-\d{4}-\d\d-\d\d\.csv", file.suggested_filename)
        assert found[:A_PAGE] == shown
        assert len(found) >= USERS - 1  # another test may have made or deleted one


class TestEvents:
    async def test_a_dead_event_is_redriven_after_a_page_that_says_what_follows(self, page: Page, sites: Sites) -> None:
        await open_list(page, sites, "Events")
        tab = page.get_by_role("navigation", name="By status").get_by_role("link", name="Dead")
        await tab.click()
        dead = int((await tab.inner_text()).split()[-1])

        await rows(page, "Events").first.get_by_role("checkbox").check()
        await press(page, "Redrive…")
        await expect(page.get_by_role("heading", level=1, name="Redrive 1 dead event?")).to_be_visible()
        await expect(page.get_by_text("The relay tries again from attempt 0.")).to_be_visible()
        await press(page, "Redrive 1 dead event")

        await expect(page.get_by_role("status")).to_have_text("1 event is pending again.")
        await expect(tab).to_have_text(f"Dead {dead - 1}")

    async def test_nothing_is_discarded_without_a_reason_nor_after_cancelling(self, page: Page, sites: Sites) -> None:
        await open_list(page, sites, "Events")
        tab = page.get_by_role("navigation", name="By status").get_by_role("link", name="Dead")
        await tab.click()
        told = await tab.inner_text()
        await page.get_by_label("or with all").check()
        await press(page, "Discard…")

        await page.get_by_role("button", name=re.compile(r"^Discard \d+ dead events?$")).click()
        await expect(page.get_by_label("Reason")).to_have_accessible_description(
            "Say why: the reason is kept with each row."
        )
        await page.get_by_role("link", name="Cancel").click()

        await expect(tab).to_have_text(told)
