"""Each page in each of its states: for anybody's eyes and hands, at a desk and on a phone, in both lights, on paper."""

import pytest
from playwright.async_api import Page

from .checks import illegible, inaccessible, layout_shift, low_controls, too_wide, unprintable
from .sites import Sites
from .states import STATES, State
from .watch import Watch

WIDTHS = [1280, 390]
HEIGHT = 900


@pytest.mark.parametrize("state", STATES, ids=str)
async def test_a_page_can_be_seen_read_pressed_and_printed(
    state: State, page: Page, sites: Sites, watch: Watch
) -> None:
    watch.server_may_fail = state.status >= 500
    await state.reach(page, sites)
    assert watch.status_of(page) == state.status

    problems = await layout_shift(page)
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": HEIGHT})
        found = [*await too_wide(page), *await low_controls(page), *await _in_both_lights(page, state)]
        problems += [f"{width}: {one}" for one in found]
    problems += await unprintable(page)

    assert not problems, "\n".join(problems)


async def _in_both_lights(page: Page, state: State) -> list[str]:
    await page.emulate_media(color_scheme="light")
    light = await inaccessible(page, listings=state.listings)
    await page.emulate_media(color_scheme="dark")
    dark = await illegible(page, listings=state.listings)
    return [*light, *(f"dark: {one}" for one in dark)]


@pytest.mark.parametrize("state", [state for state in STATES if state.listings], ids=str)
async def test_a_page_comes_out_on_paper(state: State, page: Page, sites: Sites) -> None:
    await state.reach(page, sites)

    paper = await page.pdf(format="A4")

    assert paper.startswith(b"%PDF")
