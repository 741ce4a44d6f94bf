"""A learner without an account: answers, is told, goes away, and finds their place again."""

import pytest
from playwright.async_api import Page, expect

from .person import begin, press
from .sites import Sites


async def answer(page: Page, label: str, button: str = "Answer") -> None:
    await page.get_by_label(label, exact=True).check()
    await press(page, button)


class TestInPlace:
    async def test_an_answer_is_told_without_leaving_the_page(self, page: Page, sites: Sites) -> None:
        await begin(page, sites.lab, "Connections and pool")
        await page.evaluate("document.documentElement.dataset.here = 'still'")

        await answer(page, "600")
        verdict = page.locator("#checkpoint .note")
        await expect(verdict).to_contain_text("Not so.")
        await expect(verdict).to_be_focused()
        await answer(page, "1500", "Answer again")

        await expect(verdict).to_contain_text("Right.")
        await expect(page.get_by_label("1500", exact=True)).to_be_checked()
        await expect(page.locator("html")).to_have_attribute("data-here", "still")

    async def test_a_browser_asks_for_a_choice_by_itself(self, page: Page, sites: Sites) -> None:
        await begin(page, sites.lab, "Connections and pool")

        await press(page, "Answer")

        assert await page.get_by_label("50", exact=True).evaluate("one => one.validity.valueMissing")
        await expect(page.locator("#checkpoint .note")).to_have_count(0)


@pytest.mark.parametrize("scripting", [True, False])
class TestProgress:
    async def test_it_is_kept_and_forgotten_when_asked(self, page: Page, sites: Sites) -> None:
        await begin(page, sites.lab, "Connections and pool")
        await answer(page, "1500")
        await expect(page.locator("#checkpoint .note")).to_contain_text("Right.")

        await page.goto(sites.lab)
        row = page.get_by_role("group", name="The sections").get_by_role("row", name="Connections and pool")
        await expect(row).to_contain_text("right")
        await page.get_by_role("link", name="Go on with section 3").click()
        await expect(page.get_by_role("heading", level=1, name="Repositories and N+1")).to_be_visible()

        await page.goto(sites.lab)
        await press(page, "Forget my progress")
        await expect(page.get_by_role("link", name="Start with section 1")).to_be_visible()

    async def test_who_comes_back_to_the_question_sees_what_they_answered(self, page: Page, sites: Sites) -> None:
        await begin(page, sites.lab, "Connections and pool")
        await answer(page, "1500")
        await expect(page.locator("#checkpoint .note")).to_contain_text("Right.")

        await begin(page, sites.lab, "Connections and pool")

        await expect(page.locator("#checkpoint .note")).to_contain_text("Right.")
        await expect(page.locator("#checkpoint .note")).not_to_be_focused()
