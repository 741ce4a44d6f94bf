"""Each key does what a control on the page does, keeps the focus where it is of use, and leaves typing alone."""

import re

import pytest
from playwright.async_api import Page, expect

from . import taking
from .sites import Sites
from .test_accounts import sign_up

GOES_TO = {
    "0": "A data layer you can take apart while it runs",
    "1": "Data models",
    "2": "Connections and pool",
    "3": "Repositories and N+1",
    "4": "Caching with Redis",
    "5": "Events and the outbox",
}
FOCUSED = "document.activeElement.id || document.activeElement.outerHTML.slice(0, 80)"


async def keys(page: Page, text: str) -> None:
    for key in text:
        await page.keyboard.press(key)


class TestGo:
    @pytest.mark.parametrize("key", GOES_TO)
    async def test_to_a_section(self, page: Page, sites: Sites, key: str) -> None:
        await page.goto(f"{sites.lab}/lab/glossary")

        await keys(page, f"g{key}")

        await expect(page.get_by_role("heading", level=1, name=GOES_TO[key])).to_be_visible()

    async def test_to_the_runs(self, page: Page, sites: Sites) -> None:
        await page.goto(f"{sites.lab}/lab/glossary")

        await keys(page, "gr")

        await expect(page).to_have_url(f"{sites.lab}/lab/runs/")

    async def test_another_key_between_them_takes_it_back(self, page: Page, sites: Sites) -> None:
        await page.goto(f"{sites.lab}/lab/glossary")

        await keys(page, "gx1")
        await keys(page, "t")  # the keys before it were dealt with when this one shows

        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert page.url == f"{sites.lab}/lab/glossary"


class TestQuestion:
    async def test_none_leaves_it_and_loses_what_was_chosen(self, page: Page, sites: Sites) -> None:
        await sign_up(page, sites)
        await taking.begin(page)
        await taking.until(taking.ONE_OF)(page)
        asked_at = page.url
        await taking.choose(page)

        await keys(page, "g0gr")
        await keys(page, "t")  # the keys before it were dealt with when this one shows

        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert page.url == asked_at
        await expect(taking.controls(page, taking.ONE_OF).first).to_be_checked()
        await page.keyboard.press("?")
        named = await page.get_by_role("dialog").locator("kbd:visible").all_inner_texts()
        assert "g" not in named


class TestSearch:
    async def test_the_key_leads_to_the_field_and_is_not_typed_into_it(self, page: Page, sites: Sites) -> None:
        await page.goto(sites.lab)

        await page.keyboard.press("/")
        field = page.get_by_role("searchbox", name="Search the lab")
        await expect(field).to_be_focused()
        await expect(field).to_have_value("")
        await page.keyboard.type("lag")
        await page.keyboard.press("Enter")

        await expect(page.get_by_role("heading", level=1, name="Found for “lag”")).to_be_visible()
        await page.get_by_role("link", name="Lag", exact=True).click()
        await expect(page).to_have_url(f"{sites.lab}/lab/glossary#lag")


class TestHelp:
    @pytest.mark.parametrize("closing", ["Escape", "?"])
    async def test_it_opens_closes_and_gives_the_focus_back(self, page: Page, sites: Sites, closing: str) -> None:
        await page.goto(sites.lab)
        await page.get_by_role("link", name="Glossary").focus()
        before = await page.evaluate(FOCUSED)
        dialog = page.get_by_role("dialog", name="Keys")

        await page.keyboard.press("?")
        await expect(dialog).to_be_visible()
        assert await dialog.evaluate("one => one.contains(document.activeElement)")
        await page.keyboard.press(closing)

        await expect(dialog).to_be_hidden()
        assert await page.evaluate(FOCUSED) == before

    async def test_no_other_key_acts_behind_it(self, page: Page, sites: Sites) -> None:
        await page.goto(sites.lab)
        await page.keyboard.press("?")

        await keys(page, "tg1")
        await page.keyboard.press("Escape")

        await expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
        assert page.url == f"{sites.lab}/"
        assert not await page.locator("html").get_attribute("data-theme")

    async def test_it_names_every_key(self, page: Page, sites: Sites) -> None:
        await page.goto(sites.lab)
        await page.get_by_role("button", name="Keys").click()

        named = await page.get_by_role("dialog").locator("kbd").all_inner_texts()

        assert named == ["/", "g", "0", "5", "g", "r", "r", "t", "?"]


class TestRun:
    async def test_the_key_starts_the_experiment_of_the_page(self, page: Page, sites: Sites) -> None:
        await page.goto(f"{sites.lab}/lab/3")

        await page.keyboard.press("r")

        await expect(page).to_have_url(re.compile(r"/lab/(runs/|3\?run=)"))

    async def test_where_there_is_none_it_does_nothing(self, page: Page, sites: Sites) -> None:
        await page.goto(f"{sites.lab}/lab/glossary")

        await keys(page, "rt")

        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert page.url == f"{sites.lab}/lab/glossary"


class TestTheme:
    async def test_the_key_changes_it_and_leaves_the_focus(self, page: Page, sites: Sites) -> None:
        await page.goto(sites.lab)
        await page.get_by_role("link", name="Glossary").focus()
        before = await page.evaluate(FOCUSED)

        await page.keyboard.press("t")

        await expect(page.get_by_role("button", name="Dark theme")).to_have_attribute("aria-pressed", "true")
        assert await page.evaluate(FOCUSED) == before


class TestNotMeant:
    @pytest.mark.parametrize("label", ["Email", "Name"])
    async def test_who_types_into_a_field_types(self, page: Page, sites: Sites, label: str) -> None:
        await page.goto(f"{sites.lab}/lab/1")
        field = page.get_by_label(label, exact=True)
        await field.fill("")

        await field.press_sequentially("g1/tr?g5")

        await expect(field).to_have_value("g1/tr?g5")
        await expect(field).to_be_focused()
        assert page.url == f"{sites.lab}/lab/1"
        assert not await page.locator("html").get_attribute("data-theme")

    @pytest.mark.parametrize("held", ["Control", "Alt", "Meta"])
    async def test_a_key_with_another_one_held_is_left_to_the_browser(
        self, page: Page, sites: Sites, held: str
    ) -> None:
        await page.goto(f"{sites.lab}/lab/glossary")

        await page.keyboard.press(f"{held}+g")
        await keys(page, "1")
        await page.keyboard.press(f"{held}+/")

        assert await page.evaluate("document.activeElement === document.body")
        assert page.url == f"{sites.lab}/lab/glossary"


class TestControls:
    async def test_each_key_has_one_that_can_be_seen(self, page: Page, sites: Sites) -> None:
        await page.goto(f"{sites.lab}/lab/3")

        for found in [
            page.get_by_role("searchbox", name="Search the lab"),
            page.get_by_role("button", name="Keys"),
            page.get_by_role("button", name="Dark theme"),
            page.get_by_role("link", name="Runs", exact=True),
            page.get_by_role("button", name="Run", exact=True),
            *[page.locator(f"nav [data-keys=g{number}]") for number in GOES_TO],
        ]:
            await expect(found.first).to_be_visible()

    @pytest.mark.parametrize("scripting", [False])
    async def test_without_javascript_no_button_for_keys_is_offered(self, page: Page, sites: Sites) -> None:
        await page.goto(sites.lab)

        await expect(page.locator("[data-keys-help]")).to_be_hidden()
        await page.get_by_role("searchbox", name="Search the lab").fill("relay")
        await page.get_by_role("searchbox", name="Search the lab").press("Enter")
        await expect(page.get_by_role("heading", level=1, name="Found for “relay”")).to_be_visible()
