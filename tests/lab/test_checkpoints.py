"""A question is answered, told apart right from wrong, and answered again: with and without JavaScript."""

import re

import pytest
from django.test import AsyncClient

from qulab.lab.learner.checkpoints import Asked, Checkpoint, checkpoint, checkpoints
from qulab.lab.learner.progress import Learner, Outcome
from qulab.lab.sections import sections

IN_PLACE = {"HX-Request": "true"}
NAMES = [one.name for one in checkpoints()]


def wrong(one: Checkpoint) -> str:
    return next(choice.key for choice in one.choices if choice.key != one.right)


class TestQuestions:
    def test_each_section_asks_one(self) -> None:
        assert [f"lab:{name}" for name in NAMES] == [one.url_name for one in sections()]

    @pytest.mark.parametrize("one", checkpoints(), ids=NAMES)
    def test_one_choice_is_right_and_each_says_why(self, one: Checkpoint) -> None:
        keys = [choice.key for choice in one.choices]

        assert one.right in keys
        assert 3 <= len(set(keys)) == len(keys) <= 4
        assert len({choice.why for choice in one.choices}) == len(keys)
        assert len({choice.label for choice in one.choices}) == len(keys)

    def test_the_figures_of_the_cache_are_worked_out_right(self) -> None:
        look, load = 0.3, 3.0

        assert look + (1 - float(checkpoint("cache").right)) * load == pytest.approx(load)

    def test_nor_is_the_rate_of_the_pool_guessed(self) -> None:
        assert float(checkpoint("pool").right) == 30 / 0.020


class TestAsked:
    def test_an_address_cannot_claim_another_answer_than_was_given(self) -> None:
        one = checkpoint("pool")
        learner = Learner().answer("pool", Outcome.WRONG)

        assert Asked.of(learner, one, one.right).chosen is None
        assert Asked.of(Learner(), one, one.right).outcome is None

    def test_a_right_answer_is_explained_on_each_later_visit(self) -> None:
        one = checkpoint("pool")

        assert Asked.of(Learner().answer("pool", Outcome.RIGHT), one).chosen == one.choice(one.right)


@pytest.mark.parametrize("one", checkpoints(), ids=NAMES)
class TestAnswering:
    async def test_without_javascript_it_leads_back_to_the_question(
        self, one: Checkpoint, async_client: AsyncClient
    ) -> None:
        answer = await async_client.post(f"/lab/checkpoint/{one.name}", {"choice": one.right})

        number = one.section.number
        assert (answer.status_code, answer["Location"]) == (302, f"/lab/{number}?answer={one.right}#checkpoint")

    async def test_in_place_it_says_why_and_takes_the_focus(self, one: Checkpoint, async_client: AsyncClient) -> None:
        answer = await async_client.post(f"/lab/checkpoint/{one.name}", {"choice": wrong(one)}, headers=IN_PLACE)
        page = answer.content.decode()

        assert "<html" not in page
        assert re.search(r"autofocus><p><b[^>]*>Not so", page)
        assert "Right." not in page

    async def test_wrong_then_right_ends_right(self, one: Checkpoint, async_client: AsyncClient) -> None:
        await async_client.post(f"/lab/checkpoint/{one.name}", {"choice": wrong(one)}, headers=IN_PLACE)

        answer = await async_client.post(f"/lab/checkpoint/{one.name}", {"choice": one.right}, headers=IN_PLACE)

        assert "Right." in answer.content.decode()
        assert "Not so" not in answer.content.decode()

    @pytest.mark.parametrize("choice", ["", "nonsense", "x" * 10_000])
    async def test_what_is_no_answer_is_told_at_the_question(
        self, one: Checkpoint, choice: str, async_client: AsyncClient
    ) -> None:
        answer = await async_client.post(f"/lab/checkpoint/{one.name}", {"choice": choice})

        assert answer.status_code == 422
        assert "Choose one of these answers." in answer.content.decode()
        assert not answer.cookies.get("qulab-learner")

    async def test_who_follows_its_address_comes_to_the_section(
        self, one: Checkpoint, async_client: AsyncClient
    ) -> None:
        answer = await async_client.get(f"/lab/checkpoint/{one.name}")

        assert (answer.status_code, answer["Location"]) == (302, f"/lab/{one.section.number}#checkpoint")


async def test_a_question_that_no_section_asks_is_not_found(async_client: AsyncClient) -> None:
    assert (await async_client.post("/lab/checkpoint/nothing", {"choice": "a"})).status_code == 404
