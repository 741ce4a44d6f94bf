"""By keyboard alone, and in the light that was chosen."""

from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, expect

from .person import begin, result
from .sites import Sites
from .states import STATES

MOST_STEPS = 40
FOCUS_IS_SEEN = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const drawn = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const inView = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return one === document.body || (drawn && inView) ? "" : one.outerHTML.slice(0, 120);
}"""


async def tab_to(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Go on with the Tab key until it has the focus, which must be seen all the way."""
    for _ in range(MOST_STEPS):
        await page.keyboard.press(key)
        assert not (unseen := await page.evaluate(FOCUS_IS_SEEN)), f"the focus cannot be seen at {unseen}"
        if await wanted.evaluate("one => one === document.activeElement"):
            return
    raise AssertionError(f"not reached by {MOST_STEPS} steps of the Tab key: {wanted}")


class TestKeyboard:
    async def test_a_user_is_created_without_a_mouse_and_the_focus_goes_to_the_result(
        self, page: Page, sites: Sites
    ) -> None:
        name = f"Keyboard {uuid4().hex[:4]}"
        await page.goto(sites.lab)

        await tab_to(page, page.get_by_role("navigation", name="Sections").get_by_role("link", name="Data models"))
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1, name="Data models")).to_be_visible()
        await tab_to(page, page.get_by_label("Email"))
        await page.keyboard.type(f"{uuid4().hex[:8]}@example.com")
        await tab_to(page, page.get_by_label("Name"))
        await page.keyboard.type(name)
        await tab_to(page, page.get_by_role("button", name="Create user"))
        await page.keyboard.press("Enter")

        await expect(result(page).get_by_role("heading", name=f"{name} is stored")).to_be_visible()
        await expect(result(page)).to_be_focused()
        await page.keyboard.press("Tab")
        assert await result(page).evaluate("one => one.contains(document.activeElement)")

    async def test_the_first_key_offers_to_skip_the_sidebar(self, page: Page, sites: Sites) -> None:
        await page.goto(sites.lab)

        await page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the content")
        await expect(skip).to_be_focused()
        await expect(skip).to_be_in_viewport()
        await page.keyboard.press("Enter")

        await expect(page.get_by_role("main")).to_be_focused()

    async def test_a_run_and_its_cancellation_leave_focus_and_place_to_who_reads(
        self, page: Page, sites: Sites
    ) -> None:
        await begin(page, sites.lab, "Caching with Redis")
        button = page.get_by_role("button", name="Run", exact=True)
        await button.focus()
        before = await button.bounding_box()

        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_visible()

        await expect(button).to_be_focused()
        assert await button.bounding_box() == before
        await tab_to(page, page.get_by_role("button", name="Cancel", exact=True))
        await page.keyboard.press("Enter")
        await expect(result(page)).to_contain_text("Cancelled.")
        await expect(result(page)).to_be_focused()

    async def test_the_publisher_is_stopped_and_started_without_a_mouse(self, page: Page, sites: Sites) -> None:
        await begin(page, sites.lab, "Events and the outbox")

        await tab_to(page, page.get_by_role("button", name="Stop the publisher"))
        await page.keyboard.press("Enter")
        await expect(result(page)).to_contain_text("Stopped")
        # The focus went to what was said, which stands below the buttons.
        await tab_to(page, page.get_by_role("button", name="Start the publisher"), "Shift+Tab")
        await page.keyboard.press("Space")

        await expect(result(page)).to_contain_text("Started")


class TestTheme:
    @pytest.mark.parametrize(("system", "chosen"), [("light", "dark"), ("dark", "light")])
    async def test_the_chosen_light_outlasts_the_page(self, page: Page, sites: Sites, system: str, chosen: str) -> None:
        await page.emulate_media(color_scheme=system)  # type: ignore[arg-type]
        await page.goto(sites.lab)
        toggle = page.get_by_role("button", name="Dark theme")
        before = await _paper(page)

        await toggle.click()
        after = await _paper(page)
        await begin(page, sites.lab, "Data models")

        assert before != after == await _paper(page)
        await expect(toggle).to_have_attribute("aria-pressed", str(chosen == "dark").lower())

    async def test_a_dark_page_is_printed_on_white_paper(self, page: Page, sites: Sites) -> None:
        await page.goto(sites.lab)
        await page.get_by_role("button", name="Dark theme").click()

        await page.emulate_media(media="print")

        assert await _paper(page) == "rgb(255, 255, 255)"
        assert await page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 29, 33)"

    async def test_closed_numbers_of_a_result_are_printed_and_shown_on_no_screen(
        self, page: Page, sites: Sites
    ) -> None:
        (state,) = [one for one in STATES if str(one) == "result"]
        await state.reach(page, sites)
        number = page.locator("#history details:not([open]) td").first
        shown = "one => one.checkVisibility({contentVisibilityAuto: true}) && one.getBoundingClientRect().height > 0"

        on_screen = await number.evaluate(shown)
        await page.emulate_media(media="print")

        assert (on_screen, await number.evaluate(shown)) == (False, True)

    @pytest.mark.parametrize("scripting", [False])
    async def test_without_javascript_no_button_is_offered_that_would_do_nothing(
        self, page: Page, sites: Sites
    ) -> None:
        await page.goto(sites.lab)

        await expect(page.locator("[data-theme-toggle]")).to_be_hidden()


async def _paper(page: Page) -> str:
    colour: str = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour
