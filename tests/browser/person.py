"""How a person finds their way: by what stands on the page, never by an address or a class."""

import asyncio

from playwright.async_api import Locator, Page, expect

PATIENCE = 15.0  # seconds; the machine may be busy with other tests


async def begin(page: Page, origin: str, section: str) -> None:
    """From the introduction to a section, by the sidebar."""
    await page.goto(origin)
    await page.get_by_role("navigation", name="Sections").get_by_role("link", name=section).click()
    await expect(page.get_by_role("heading", level=1, name=section)).to_be_visible()


async def press(page: Page, name: str) -> None:
    await page.get_by_role("button", name=name, exact=True).click()
    await page.wait_for_load_state()  # of what it led to, so that going on does not abort it


def result(page: Page) -> Locator:
    """Where the page was taken to after a form was sent."""
    return page.locator("#result")


def reading(where: Locator, name: str) -> Locator:
    """The value that stands under a name, such as Statements or Hits."""
    term = where.page.get_by_role("term").get_by_text(name, exact=True)
    return where.locator("div").filter(has=term).get_by_role("definition").last


def table(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name=name, exact=True).get_by_role("table")


async def refresh_until(page: Page, wanted: Locator) -> None:
    """Without JavaScript: ask again, as a person would, until it is there."""
    async with asyncio.timeout(PATIENCE):
        while not await wanted.count():
            await page.get_by_role("link", name="Refresh", exact=True).click()
