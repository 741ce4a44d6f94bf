"""A page that nobody added to the list of states is found here: no address of the product escapes the checks."""

import re
from collections.abc import Iterator

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from playwright.async_api import APIRequestContext, Page

from .sites import Sites
from .states import STATES

LISTED = {state.pattern for state in STATES}
# Data, but for the page that says that there is no such run or result.
FILES = {"lab:run-json", "lab:run-csv", "assessments:result-json"}


def addresses(resolver: URLResolver, prefix: str = "/", space: str = "") -> Iterator[tuple[str, str]]:
    """The name of every pattern, and one path that it answers."""
    for pattern in resolver.url_patterns:
        path = prefix + sample(str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, path, f"{pattern.namespace}:" if pattern.namespace else space)
        else:
            assert isinstance(pattern, URLPattern)
            yield f"{space}{pattern.name or path}", path


def sample(route: str) -> str:
    """A path for a route: the first word that a part allows, or any where it allows all."""
    route = re.sub(r"\(\?P<\w+>(\w+)[^)]*\)", r"\1", route)
    route = re.sub(r"\(\?P<\w+>[^)]*\)|<[^>]*>", "none", route)
    return re.sub(r"[\^$\\]", "", route)


ADDRESSES = sorted(set(addresses(get_resolver())))


@pytest.mark.parametrize(("name", "path"), ADDRESSES, ids=[name for name, _ in ADDRESSES])
async def test_an_address_that_answers_with_a_page_is_in_the_list(
    name: str, path: str, page: Page, sites: Sites
) -> None:
    if name in LISTED | FILES:
        return

    assert not await _is_a_page(page.request, sites.lab + path), f"add {name}, for example {path}, to states.py"


async def _is_a_page(requests: APIRequestContext, address: str) -> bool:
    """A whole document: no JSON, no part of a page, no way to another one."""
    answer = await requests.get(address, max_redirects=0)
    return "text/html" in answer.headers.get("content-type", "") and "<!doctype html>" in await answer.text()


async def test_every_name_in_the_list_is_an_address() -> None:
    assert not LISTED - {name for name, _ in ADDRESSES}


async def test_every_link_of_the_sidebar_leads_to_a_listed_page(page: Page, sites: Sites) -> None:
    await page.goto(sites.lab)

    links = await page.locator(".side a").evaluate_all("links => links.map((link) => link.getAttribute('href'))")

    assert set(links) <= {state.path for state in STATES}
