"""The cookie of a learner: whole or not at all, small, unreadable to scripts, and about nobody in particular."""

import re
from typing import Any

import msgspec
import pytest
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient

from qulab.lab.benches import BENCHES
from qulab.lab.learner import Learner, Outcome, learner_of, remember
from qulab.lab.learner.checkpoints import checkpoints
from qulab.lab.learner.cookie import AGE, MOST_BYTES, NAME
from qulab.lab.learner.overview import overview
from qulab.lab.learner.progress import MOST_NAMES, NAME_LENGTH
from qulab.lab.sections import THE_TEST, section
from tests.lab.conftest import Lab, text_of

DONE = {one.name: Outcome.RIGHT for one in checkpoints()}


def asking(cookie: str | None) -> HttpRequest:
    request = HttpRequest()
    if cookie is not None:
        request.COOKIES[NAME] = cookie
    return request


def written(learner: Learner) -> Any:
    response = HttpResponse()
    remember(response, learner)
    return response.cookies[NAME]


def busy() -> Learner:
    learner = Learner()
    for number in range(1, 6):
        learner = learner.visit(number)
    for bench in BENCHES:
        learner = learner.predict(bench, Outcome.WRONG)
    return msgspec.structs.replace(learner, checkpoints=DONE)


class TestCookie:
    def test_returns_what_was_remembered(self) -> None:
        learner = busy()

        assert learner_of(asking(written(learner).value)) == learner

    def test_is_kept_from_scripts_and_from_other_sites(self) -> None:
        cookie = written(Learner())

        assert cookie["httponly"]
        assert (cookie["samesite"], cookie["path"], cookie["max-age"]) == ("Lax", "/", AGE)

    def test_a_page_that_depends_on_it_says_so(self) -> None:
        response = HttpResponse()
        remember(response, Learner())

        assert response["Vary"] == "Cookie"

    @pytest.mark.parametrize(
        "cookie",
        [
            "",
            "nonsense",
            "a:b:c",
            ":::",
            "é" * 100,
            "x" * 100_000,
            written(busy()).value[:-1] + "!",
            "x" + written(busy()).value,
            signing.dumps({"id": 5}, salt=NAME),
            signing.dumps([], salt=NAME),
            signing.dumps({"id": "me", "last": 1}, salt="another salt"),
        ],
        ids=range(11),
    )
    def test_one_that_cannot_be_believed_is_a_new_learner(self, cookie: str) -> None:
        learner = learner_of(asking(cookie))

        assert not learner.has_begun
        assert learner.id not in {"me", 5}

    def test_the_same_learner_for_a_whole_request(self) -> None:
        request = asking(None)

        assert learner_of(request) is learner_of(request)
        assert learner_of(request).id != learner_of(asking(None)).id

    def test_stays_within_what_a_browser_keeps(self) -> None:
        learner = Learner()
        for n in range(10 * MOST_NAMES):
            name = f"{n:0{NAME_LENGTH}}"
            learner = learner.visit(n).predict(name, Outcome.RIGHT).answer(name, Outcome.WRONG)
        learner = learner.answer("x" * (NAME_LENGTH + 1), Outcome.RIGHT)

        assert len(learner.predictions) == len(learner.checkpoints) == MOST_NAMES
        assert learner.visited == [1, 2, 3, 4, 5]
        assert len(written(learner).value) < MOST_BYTES


class TestProgress:
    def test_changes_are_copies(self) -> None:
        learner = Learner()

        learner.visit(3).predict("queries", Outcome.OPEN).answer("cache", Outcome.WRONG)

        assert not learner.has_begun

    def test_the_last_outcome_counts(self) -> None:
        learner = Learner().predict("queries", Outcome.OPEN).predict("queries", Outcome.RIGHT)

        assert learner.predictions == {"queries": "right"}

    @pytest.mark.parametrize(
        ("learner", "number"),
        [
            (Learner(), 1),
            (Learner().visit(3), 3),
            (Learner().visit(3).answer("queries", Outcome.WRONG), 3),
            (Learner().visit(3).answer("queries", Outcome.RIGHT), 4),
            (Learner().visit(5).answer("outbox", Outcome.RIGHT), 1),
            (Learner(last=4, checkpoints={**DONE, "pool": Outcome.WRONG}), 2),
        ],
    )
    def test_goes_on_with_what_is_not_done(self, learner: Learner, number: int) -> None:
        assert overview(learner).resume == section(number)

    def test_ends_when_all_is_done(self) -> None:
        assert overview(Learner(checkpoints=DONE)).resume is None

    def test_each_section_shows_the_prediction_of_its_experiment(self) -> None:
        for bench in (one for one in BENCHES.values() if one.section != THE_TEST):
            rows = overview(Learner().predict(bench.name, Outcome.RIGHT)).rows

            assert [row.section.number for row in rows if row.prediction] == [bench.section]


class TestPages:
    async def test_a_new_learner_is_offered_the_start(self, lab: Lab) -> None:
        page = text_of(await lab.get("/"))

        assert "Start with section 1" in page
        assert "Forget my progress" not in page

    async def test_a_visit_is_remembered_and_marked(self, lab: Lab) -> None:
        await lab.get("/lab/3")

        page = text_of(await lab.get("/"))

        assert "Go on with section 3: Repositories and N+1" in page
        assert marked(page) == ["Repositories and N+1"]

    async def test_so_is_an_answer(self, lab: Lab) -> None:
        await lab.send("/lab/checkpoint/queries", choice="window")

        page = text_of(await lab.get("/"))

        assert re.search(r"Repositories and N\+1</a>.*?outcome right", page.partition('id="sections"')[2], re.DOTALL)

    async def test_a_page_of_nobody_is_no_visit(self, lab: Lab) -> None:
        await lab.get("/lab/3?run=none")

        assert "Start with section 1" in text_of(await lab.get("/"))

    async def test_who_comes_back_is_told_once_and_sent_nothing_again(self, lab: Lab) -> None:
        first, second = [await lab.get("/lab/2") for _ in range(2)]

        assert NAME in first.cookies
        assert NAME not in second.cookies

    async def test_a_new_visit_keeps_the_learner_whose_runs_these_are(
        self, lab: Lab, async_client: AsyncClient
    ) -> None:
        ids = set()
        for number in (1, 2, 4):
            await lab.get(f"/lab/{number}")
            ids.add(learner_of(asking(async_client.cookies[NAME].value)).id)

        assert len(ids) == 1

    async def test_progress_is_forgotten_when_asked(self, lab: Lab) -> None:
        await lab.get("/lab/3")

        answer = await lab.send("/lab/forget")

        assert (answer.status_code, answer["Location"]) == (302, "/")
        assert "Start with section 1" in text_of(await lab.get("/"))

    async def test_and_not_by_following_a_link(self, lab: Lab) -> None:
        await lab.get("/lab/3")

        answer = await lab.get("/lab/forget")

        assert (answer.status_code, answer["Location"]) == (302, "/")
        assert "Go on with section 3" in text_of(await lab.get("/"))


def marked(page: str) -> list[str]:
    """The sections that the sidebar shows as visited."""
    return re.findall(r'<span class="title">([^<]+)</span><span class="seen">', page)
