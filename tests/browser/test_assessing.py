"""Somebody takes the test from sign-up to result, with JavaScript and without; no habit of browsers costs an answer."""

import re

import pytest
from playwright.async_api import Page, expect

from . import taking
from .person import press
from .sites import Sites
from .test_accounts import PHRASE, sign_in, sign_up

pytestmark = pytest.mark.parametrize("scripting", [True, False], ids=["with JavaScript", "without"])


async def to_the_first_question(page: Page, sites: Sites) -> str:
    """The address that one signed up with."""
    email = await sign_up(page, sites)
    await taking.begin(page)
    return email


async def place(page: Page) -> tuple[int, int]:
    """The part, and the number of the question in it, as the page says it."""
    said = re.search(r"Question (\d+)\s+part (\d) of 3", await page.locator(".kicker").inner_text())
    assert said
    return int(said[2]), int(said[1])


async def test_somebody_signs_up_takes_the_test_and_sees_the_result(page: Page, sites: Sites) -> None:
    await to_the_first_question(page, sites)

    seen = []
    while await taking.is_asked(page):
        seen.append(await place(page))
        await taking.answer(page)

    lengths = [sum(part == one for one, _ in seen) for part in (1, 2, 3)]
    assert all(8 <= length <= 15 for length in lengths)
    assert seen == [(part, n) for part, length in enumerate(lengths, start=1) for n in range(1, length + 1)]
    await expect(page).to_have_url(re.compile(r"/assess/results/"))
    await expect(page.get_by_role("heading", level=1)).to_contain_text("likely between")
    await page.get_by_role("link", name="Your test", exact=True).click()
    scores = page.get_by_role("group", name="Your scores")
    await expect(scores.get_by_role("row")).to_have_count(2)
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await scores.evaluate("one => one.scrollWidth <= one.clientWidth")
    await scores.get_by_role("link").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("likely between")


async def test_somebody_leaves_and_goes_on_where_they_were(page: Page, sites: Sites) -> None:
    email = await to_the_first_question(page, sites)
    await taking.answer(page)
    await taking.answer(page)
    stem = await page.locator("#stem").inner_text()

    await page.get_by_role("link", name="Save and leave").click()
    await expect(page.get_by_text("2 questions are answered")).to_be_visible()
    await press(page, "Sign out")
    await expect(page.get_by_text("You are signed out.")).to_be_visible()
    await page.goto(f"{sites.lab}/assess/")
    await sign_in(page, email, PHRASE)
    await page.get_by_role("link", name="Go on with the test").click()

    await expect(page.locator("#stem")).to_have_text(stem)
    assert await place(page) == (1, 3)


async def test_a_refused_answer_says_why_and_loses_nothing(page: Page, sites: Sites) -> None:
    await to_the_first_question(page, sites)
    stem = await page.locator("#stem").inner_text()

    await taking.send(page)
    await expect(page.get_by_role("alert")).to_contain_text("This answer is not recorded yet.")
    await expect(page.get_by_role("alert")).to_be_focused()
    await expect(page).to_have_title(re.compile("^Not recorded · Question 1 · "))
    await expect(page.locator("#stem")).to_have_text(stem)
    await taking.answer(page)

    await expect(page.locator(".kicker")).to_contain_text("Question 2")


async def test_on_a_phone_the_question_comes_first(page: Page, sites: Sites) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await to_the_first_question(page, sites)

    stem = await page.locator("#stem").bounding_box()
    assert stem
    assert stem["y"] < 844 / 3
    await expect(page.get_by_role("navigation")).to_have_count(0)
    await expect(page.get_by_role("link", name="Skip to the content")).to_have_count(1)
    await page.get_by_role("link", name="Save and leave").click()
    await expect(page.get_by_role("navigation", name="Sections")).to_be_visible()


async def test_two_tabs_cannot_answer_twice(page: Page, sites: Sites) -> None:
    await to_the_first_question(page, sites)
    await taking.answer_in_another_tab(page)

    await taking.answer(page, turn=1)
    await expect(page.get_by_role("heading", level=1, name="This question is answered already")).to_be_visible()
    await page.get_by_role("link", name="Go on with question 2").click()

    await expect(page.locator(".kicker")).to_contain_text("Question 2")


async def test_going_back_shows_the_question_that_waits(page: Page, sites: Sites) -> None:
    await to_the_first_question(page, sites)
    await taking.answer(page)

    await page.go_back()

    assert await place(page) == (1, 2)


async def test_somebody_ends_a_test_and_begins_another(page: Page, sites: Sites) -> None:
    await to_the_first_question(page, sites)
    await page.get_by_role("link", name="Save and leave").click()

    await page.get_by_role("link", name="End it without a score").click()
    await press(page, "End this test")
    await expect(page.get_by_role("heading", level=1, name="This test has ended")).to_be_visible()
    await taking.begin(page, "Registered nurses")

    await expect(page.locator(".kicker")).to_contain_text("Question 1")
