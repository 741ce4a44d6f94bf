"""What is found is there: each kind of thing, by its own words, at an address that answers."""

import re

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import AsyncClient
from django.urls import reverse

from qulab.lab.benches import BENCHES
from qulab.lab.glossary import glossary
from qulab.lab.search import MOST, Kind, search
from qulab.lab.sections import section
from tests.lab.conftest import Lab


def first(text: str, kind: Kind) -> str:
    return next(entry.title for entry in search(text).entries if entry.kind == kind)


class TestWhatIsFound:
    def test_sections_by_title_promise_and_objective(self) -> None:
        assert search("caching with redis").entries[0].address == "/lab/4"
        assert first("consumer", Kind.SECTION) == "Events and the outbox"
        assert first("cascades metadata", Kind.SECTION) == "Data models"

    def test_the_page_beside_the_sections_and_its_parts(self) -> None:
        assert search("how good is the test").entries[0].address == "/lab/test"
        assert first("coverage of an estimate", Kind.PAGE) == "How good is the test?"
        assert first("how a simulated answer comes about", Kind.HEADING)

    @pytest.mark.parametrize("name", list(BENCHES))
    def test_experiments_by_their_titles(self, name: str) -> None:
        bench = BENCHES[name]

        found = search(str(bench.title)).entries

        assert f"{reverse(section(bench.section).url_name)}#{bench.anchor}" in [
            one.address for one in found if one.kind == Kind.EXPERIMENT
        ]

    def test_words_of_the_glossary_all(self) -> None:
        for word in glossary():
            assert f"/lab/glossary#{word.slug}" in [one.address for one in search(word.name).entries]

    def test_a_word_by_what_others_call_it(self) -> None:
        assert first("event publisher", Kind.WORD) == "Relay"

    def test_headings_of_the_pages(self) -> None:
        assert first("promise", Kind.HEADING)

    def test_files_by_path_and_by_what_they_say(self) -> None:
        assert first("outbox/relay.py", Kind.FILE) == "outbox/relay.py"
        assert first("the only reader of the environment", Kind.FILE) == "qulab/settings.py"

    def test_no_file_that_the_source_view_does_not_show(self) -> None:
        paths = [one.title for text in ("py", "q", "env") for one in search(text).entries if one.kind == Kind.FILE]

        assert paths
        assert all(re.fullmatch(r"(qulab|accounts|assessments|outbox)/[\w/]+\.py", path) for path in paths)
        assert all((settings.BASE_DIR / path).is_file() for path in paths)


class TestOrder:
    def test_all_words_must_be_there(self) -> None:
        assert search("relay").entries
        assert not search("relay nonsense").entries

    def test_case_and_spaces_do_not_matter(self) -> None:
        assert search("  OUTBOX \t relay ") == search("outbox relay")

    def test_a_title_goes_before_a_text(self) -> None:
        titles = ["lag" in entry.title.lower() for entry in search("lag").entries]

        assert titles == sorted(titles, reverse=True)
        assert titles[0]
        assert not titles[-1]

    def test_nothing_asked_finds_nothing(self) -> None:
        assert search(" ").entries == []

    def test_the_list_is_bounded_and_says_how_many_more(self) -> None:
        found = search("e")

        assert len(found.entries) == MOST
        assert found.more > 0


class TestPage:
    async def test_no_javascript_is_needed(self, async_client: AsyncClient) -> None:
        page = await get(async_client, "lag")

        assert page.status_code == 200
        assert '<a href="/lab/glossary#lag">Lag</a>' in page.content.decode()

    async def test_what_was_asked_stays_in_the_field_and_is_no_markup(self, async_client: AsyncClient) -> None:
        text = (await get(async_client, '"><b>x')).content.decode()

        assert 'value="&quot;&gt;&lt;b&gt;x"' in text
        assert "<b>x" not in text

    async def test_nothing_found_says_what_to_do(self, async_client: AsyncClient) -> None:
        text = (await get(async_client, "nonsense")).content.decode()

        assert "Nothing here has all of these words." in text

    @pytest.mark.parametrize("text", ["x" * 81, "x" * 10_000, "nul\0"])
    async def test_too_much_is_refused_at_the_field(self, async_client: AsyncClient, text: str) -> None:
        page = await get(async_client, text)

        assert page.status_code == 422
        assert "errorlist" in page.content.decode()

    @pytest.mark.parametrize("text", ["pool", "e"])
    async def test_every_address_found_answers(self, lab: Lab, text: str) -> None:
        for address in {entry.address for entry in search(text).entries}:
            page, _, anchor = address.partition("#")
            answer = await lab.get(page)

            assert answer.status_code == 200, address
            assert not anchor or f'id="{anchor}"' in answer.content.decode(), address


async def get(client: AsyncClient, text: str) -> HttpResponse:
    return await client.get("/lab/search", {"q": text})
