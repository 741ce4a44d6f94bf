"""What a first visit costs: counts and sizes, which no busy machine changes."""

import pytest
from playwright.async_api import Page, Request

from .sites import Sites
from .states import STATES, State

MOST_REQUESTS = 12
MOST_BYTES = 160_000
FIRST_VISITS = [state for state in STATES if state.site == "lab" and not state.steps]


@pytest.mark.parametrize("state", FIRST_VISITS, ids=str)
async def test_a_first_visit_stays_within_its_budget(state: State, page: Page, sites: Sites) -> None:
    requests: list[Request] = []
    page.on("requestfinished", lambda request: requests.append(request))

    await page.goto(sites.lab + state.path)

    loaded = [request for request in requests if request.resource_type != "fetch"]  # these renew what is there
    sizes = {request.url: await _bytes(request) for request in loaded}
    assert len(loaded) <= MOST_REQUESTS, sizes
    assert sum(sizes.values()) <= MOST_BYTES, sizes


async def _bytes(request: Request) -> int:
    sizes = await request.sizes()
    return sizes["responseHeadersSize"] + sizes["responseBodySize"]
