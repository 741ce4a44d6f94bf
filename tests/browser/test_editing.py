"""Staff mend what is stored, on the site with many rows, with JavaScript and without."""

import pytest
from playwright.async_api import Page, expect

from .person import press, table
from .sites import Sites

pytestmark = pytest.mark.parametrize("scripting", [True, False], ids=["with JavaScript", "without"])


async def a_new_user(page: Page, sites: Sites, email: str) -> None:
    """Made by hand; their page is open then."""
    await page.goto(sites.full)
    await page.get_by_role("navigation", name="Data").get_by_role("link", name="Data").click()
    await page.get_by_role("main").get_by_role("link", name="Users", exact=True).click()
    await page.get_by_role("link", name="New user…").click()
    await page.get_by_label("Name", exact=True).fill("Ada")
    await page.get_by_label("Email", exact=True).fill(email)
    await press(page, "Create")
    await expect(page.get_by_text("This row is stored.")).to_be_visible()


async def delete(page: Page) -> None:
    await page.get_by_role("link", name="Delete…").click()
    await expect(page.get_by_text("A deletion cannot be undone.")).to_be_visible()
    await press(page, "Delete 1 user")
    await expect(page.get_by_text("1 user is deleted.")).to_be_visible()


async def come_second(page: Page, sites: Sites, email: str) -> None:
    """Edit somebody whom another window edits meanwhile; the difference is open then."""
    await a_new_user(page, sites, email)
    other = await page.context.new_page()
    await other.goto(page.url)
    for window, name, years in ((page, "Ada Lovelace", "9"), (other, "Augusta Ada King", "")):
        await window.get_by_role("link", name="Edit…").click()
        await window.get_by_label("Name", exact=True).fill(name)
        await window.get_by_label("Years of experience").fill(years)
    await press(other, "Save")
    await expect(other.get_by_role("heading", level=1, name="Augusta Ada King")).to_be_visible()
    await press(page, "Save")

    await expect(page.get_by_role("heading", level=1, name="Changed meanwhile")).to_be_visible()
    line = table(page, "Differences").get_by_role("row").filter(has_text="Name")
    for text in ("Ada", "Augusta Ada King", "Ada Lovelace"):
        await expect(line.get_by_role("cell", name=text, exact=True)).to_be_visible()
    await expect(page.get_by_label("Name", exact=True)).to_have_value("Ada Lovelace")


async def test_who_comes_second_sees_the_difference_and_keeps_theirs(page: Page, sites: Sites, scripting: bool) -> None:
    await come_second(page, sites, f"theirs{scripting}@example.com".lower())

    await page.get_by_role("link", name="Keep what is stored").click()

    await expect(page.get_by_role("heading", level=1, name="Augusta Ada King")).to_be_visible()
    await delete(page)


async def test_who_comes_second_saves_over_it(page: Page, sites: Sites, scripting: bool) -> None:
    await come_second(page, sites, f"mine{scripting}@example.com".lower())

    await press(page, "Save this over it")

    await expect(page.get_by_role("heading", level=1, name="Ada Lovelace")).to_be_visible()
    await expect(page.get_by_text("The change is stored.")).to_be_visible()
    await delete(page)


async def test_a_change_is_taken_back(page: Page, sites: Sites, scripting: bool) -> None:
    await a_new_user(page, sites, f"undo{scripting}@example.com".lower())
    await page.get_by_role("link", name="Edit…").click()
    await page.get_by_label("Name", exact=True).fill("Wrong")
    await press(page, "Save")

    await page.get_by_role("link", name="Undo…").first.click()
    await expect(table(page, "What would change").get_by_role("row").last).to_contain_text("Ada")
    await press(page, "Save")

    await expect(page.get_by_role("heading", level=1, name="Ada", exact=True)).to_be_visible()
    await delete(page)
