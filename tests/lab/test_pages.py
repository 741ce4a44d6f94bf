import re

import pytest

from qulab.db.engine import Database
from qulab.db.probe import probe
from tests.lab.conftest import Lab, text_of

PAGES = ["/", "/lab/1", "/lab/2", "/lab/3", "/lab/4", "/lab/5"]
PAGES += ["/lab/test", "/lab/2/reset", "/lab/runs/", "/lab/glossary", "/lab/search?q=pool"]
ACTIONS = [
    "/lab/1/users",
    "/lab/1/try/orphan",
    "/lab/2/await",
    "/lab/3/scores",
    "/lab/4/update",
    "/lab/5/scores",
]


class TestEveryPage:
    @pytest.mark.parametrize("path", PAGES)
    async def test_answers_with_one_heading_and_a_way_on(self, lab: Lab, path: str) -> None:
        page = await lab.get(path)

        assert page.status_code == 200
        assert text_of(page).count("<h1") == 1
        assert 'href="#main"' in text_of(page)

    @pytest.mark.parametrize("path", [*PAGES, "/nowhere"])
    async def test_has_no_inline_style_or_script_and_asks_nobody_else(self, lab: Lab, path: str) -> None:
        page = text_of(await lab.get(path))

        assert not re.search(r"\sstyle=", page)
        assert not re.search(r"<script(?![^>]*\ssrc=)", page)
        assert not re.search(r"<[^>]*\son[a-z]+=", page)
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', page)

    @pytest.mark.parametrize(
        ("path", "budget"),
        [("/", 1), ("/lab/1", 3), ("/lab/2", 0), ("/lab/3", 1), ("/lab/4", 2), ("/lab/5", 6), ("/lab/test", 0)],
    )
    async def test_keeps_its_budget_of_statements(self, lab: Lab, database: Database, path: str, budget: int) -> None:
        await lab.get(path)  # prepares the demo users

        with probe(database.engine) as opened:
            await lab.get(path)

        assert opened.count <= budget, opened.statements


class TestWhatIsNotThere:
    async def test_an_unknown_address_is_a_page_that_says_what_to_do(self, lab: Lab) -> None:
        page = await lab.get("/nowhere")

        assert page.status_code == 404
        assert "There is nothing at this address" in text_of(page)

    @pytest.mark.parametrize("path", ["/lab/1?run=nobody", "/lab/5/events/nobody", "/lab/4?run=", "/lab/6"])
    async def test_an_unknown_run_or_event_is_a_404(self, lab: Lab, path: str) -> None:
        page = await lab.get(path)

        assert page.status_code == (200 if path.endswith("?run=") else 404)

    async def test_a_run_of_another_section_is_a_404(self, lab: Lab) -> None:
        run = await lab.run("/lab/2/await")

        page = await lab.get(f"/lab/1?run={run.id}")

        assert page.status_code == 404

    @pytest.mark.parametrize("path", ACTIONS)
    async def test_the_address_of_an_action_leads_to_its_section(self, lab: Lab, path: str) -> None:
        page = await lab.get(path)

        assert page.status_code == 302
        assert page["Location"] == path[:6]


class TestWithoutRedis:
    @pytest.mark.parametrize("path", PAGES)
    async def test_every_page_answers(self, lab: Lab, without_redis: None, path: str) -> None:
        page = await lab.get(path)

        assert page.status_code == 200

    async def test_the_pages_that_need_it_say_that_it_is_away(self, lab: Lab, without_redis: None) -> None:
        assert "Redis is not answering at 127.0.0.1:1" in text_of(await lab.get("/lab/4"))
        assert "Redis does not answer, so the log cannot be read" in text_of(await lab.get("/lab/5"))

    async def test_a_fetch_is_told_to_have_gone_to_the_database(self, lab: Lab, without_redis: None) -> None:
        run = await lab.run("/lab/4/fetch/user")

        assert run.result.outcome == "bypass"
        assert run.result.entry is None
        assert run.result.value["name"] == "Cache Demo User"

    async def test_an_emulated_redis_is_named_so(self, lab: Lab, settings: object) -> None:
        settings.REDIS_IS_EMULATED = True  # type: ignore[attr-defined]

        assert "fakeredis stands in for it" in text_of(await lab.get("/lab/4"))
