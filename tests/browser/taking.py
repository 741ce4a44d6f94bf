"""How a person takes the test who knows no answer: whatever a question asks, its form says what may be answered."""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import urljoin

from playwright.async_api import Locator, Page, expect

BEGIN = re.compile("^(Begin the test|Take the test again)$")
MOST_STEPS = 300
ONE_OF, SEVERAL, PLACES, NUMBER = "radio", "checkbox", "combobox", "textbox"


def controls(page: Page, role: str) -> Locator:
    """Those of the question: its form is the one with this button."""
    form = page.locator("form").filter(has=page.get_by_role("button", name="Answer", exact=True))
    return form.get_by_role(role)  # type: ignore[arg-type]


async def kind_of(page: Page) -> str:
    """The role of what the question is answered with."""
    for role in (ONE_OF, SEVERAL, PLACES, NUMBER):
        if await controls(page, role).count():
            return role
    raise AssertionError(f"there is nothing to answer with at {page.url}")


async def choose(page: Page, turn: int = 0) -> None:
    """Some answer; another one for another turn."""
    kind = await kind_of(page)
    found = await controls(page, kind).all()
    if kind == NUMBER:
        await found[0].fill(str(12 + turn))
    elif kind == PLACES:
        for place, one in enumerate(found):
            await one.select_option(str((place + turn) % len(found) + 1))
    else:
        await found[turn % len(found)].check()


async def send(page: Page) -> None:
    await page.get_by_role("button", name="Answer", exact=True).click()
    await page.wait_for_load_state()


async def answer(page: Page, turn: int = 0) -> None:
    await choose(page, turn)
    await send(page)


async def is_asked(page: Page) -> bool:
    return bool(await page.get_by_role("button", name="Answer", exact=True).count())


async def begin(page: Page, occupation: str = "Software developers") -> None:
    """From any page, by the sidebar, to the first question."""
    await page.get_by_role("link", name="Your test", exact=True).click()
    await page.get_by_role("link", name=BEGIN).click()
    await page.get_by_label("Search by job title").fill(occupation)
    await page.get_by_role("button", name="Search", exact=True).click()
    await page.get_by_role("radio", name=occupation).check()
    await page.get_by_role("button", name="Begin the test", exact=True).click()
    await expect(page.get_by_role("button", name="Answer", exact=True)).to_be_visible()


def until(kind: str) -> Callable[[Page], Awaitable[None]]:
    """Go on until a question of this kind waits, in another test where one has none."""

    async def step(page: Page) -> None:
        for _ in range(MOST_STEPS):
            if not await is_asked(page):
                await begin(page)
            if await kind_of(page) == kind:
                return
            await answer(page)
        raise AssertionError(f"no question was answered with a {kind}")

    return step


async def answer_in_another_tab(page: Page) -> None:
    """So that the question of this one is answered already."""
    other = await page.context.new_page()
    await other.goto(page.url)
    await answer(other)
    await other.close()


async def end_in_another_tab(page: Page) -> None:
    other = await page.context.new_page()
    await other.goto(f"{page.url}/abandon")
    await other.get_by_role("button", name="End this test", exact=True).click()
    await expect(other.get_by_role("heading", level=1, name="This test has ended")).to_be_visible()
    await other.close()


async def forget_which_question(page: Page) -> None:
    """As a form would be sent that lost a part on its way."""
    await page.locator('input[name="question"]').evaluate("one => one.remove()")


async def ask_whether_to_end(page: Page) -> None:
    await page.goto(urljoin(page.url, f"{page.url}/abandon"))
