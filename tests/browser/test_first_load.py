"""What a first visit costs: counts and compressed sizes, which no busy machine changes."""

from collections.abc import Iterator
from http import HTTPStatus

import pytest
from playwright.async_api import BrowserContext, Page, Request

from .sites import Sites
from .states import STATES, State

MOST_REQUESTS = 12
MOST_BYTES = 160_000
FIRST_VISITS = [state for state in STATES if state.site == "lab" and not state.steps]


def reached_by_steps() -> Iterator[State]:
    """One state of each page of the lab that has no address until something was done."""
    known = {state.pattern for state in FIRST_VISITS}
    for state in STATES:
        if state.site == "lab" and state.status == HTTPStatus.OK and state.pattern not in known:
            known.add(state.pattern)
            yield state


@pytest.mark.parametrize("state", FIRST_VISITS, ids=str)
async def test_a_first_visit_stays_within_its_budget(state: State, page: Page, sites: Sites) -> None:
    await _visit_within_budget(page, sites.lab + state.path)


@pytest.mark.parametrize("state", list(reached_by_steps()), ids=str)
async def test_so_does_one_to_an_address_that_was_sent_to_somebody(
    state: State, page: Page, context: BrowserContext, sites: Sites
) -> None:
    await state.reach(page, sites)
    address = page.url
    await page.close()

    await _visit_within_budget(await context.new_page(), address)


async def _visit_within_budget(page: Page, address: str) -> None:
    session = await page.context.new_cdp_session(page)
    await session.send("Network.clearBrowserCache")
    requests: list[Request] = []
    page.on("requestfinished", lambda request: requests.append(request))

    await page.goto(address)

    loaded = [request for request in requests if request.resource_type != "fetch"]  # these renew what is there
    sizes = {request.url: await _bytes(request) for request in loaded}
    assert len(loaded) <= MOST_REQUESTS, sizes
    assert sum(sizes.values()) <= MOST_BYTES, sizes


async def _bytes(request: Request) -> int:
    """As they came over the wire: compressed, where they were compressed."""
    sizes = await request.sizes()
    return sizes["responseHeadersSize"] + sizes["responseBodySize"]
