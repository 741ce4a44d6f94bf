"""A word has one meaning, one address, and is at work where it says."""

import re

from django.test import AsyncClient

from qulab.lab.glossary import glossary
from qulab.lab.sections import sections


def test_no_word_and_no_address_comes_twice() -> None:
    words = glossary()

    assert len(words) >= 40
    assert len({word.slug for word in words}) == len(words)
    assert len({word.name.lower() for word in words}) == len(words)


def test_an_address_is_a_plain_word() -> None:
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", word.slug) for word in glossary())


def test_a_word_belongs_to_a_section_or_to_all() -> None:
    numbers = {one.number for one in sections()}

    assert {word.section for word in glossary()} == {0, *numbers}


def test_nothing_promises_exactly_once() -> None:
    assert not [word.name for word in glossary() if "exactly once" in word.text.lower()]


async def test_the_page_has_them_in_order_with_their_anchors(async_client: AsyncClient) -> None:
    page = (await async_client.get("/lab/glossary")).content.decode()

    words = glossary()
    assert re.findall(r'<div id="([\w-]+)"><dt>', page) == [word.slug for word in words]
    names = [word.name.lower() for word in words]
    assert names == sorted(names)
