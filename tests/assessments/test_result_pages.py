"""A result is shown to its owner alone, whatever is stored with it, and its JSON alone gives the score again."""

import json
import re
from collections import Counter
from typing import Any

import pytest
from django.test import AsyncClient
from django.urls import reverse
from redis.asyncio import Redis

from assessments.bank import bank
from assessments.models import AIRScore
from assessments.outcomes import Span
from assessments.scoring import Score, recalculate
from qulab.access.person import Person
from qulab.db.base import new_id
from qulab.db.engine import Database
from qulab.lab import formulas
from tests.access.people import signed_in
from tests.admin.conftest import Page, score, store, user

from .scored import all_answers, of_abilities, of_answers, of_person, row

TESTED = of_person(0.4, -0.2, 0.3)


class Taker:
    """Somebody who is signed in, and has scores."""

    def __init__(self, client: AsyncClient, database: Database, person: Person) -> None:
        self.client, self.database, self.person = client, database, person

    async def store(self, result: Score, **fields: Any) -> AIRScore:
        stored = row(result, **{"id": new_id(), "user_id": self.person.id, **fields})
        await store(self.database, stored)
        return stored

    async def page(self, stored: AIRScore) -> Page:
        return Page(await self.client.get(reverse("assessments:result", args=[stored.id])))

    async def of(self, result: Score, **fields: Any) -> Page:
        """The page of a score that is stored now."""
        found = await self.page(await self.store(result, **fields))
        assert found.status == 200
        return found


@pytest.fixture
async def taker(database: Database, streams_client: Redis, async_client: AsyncClient, settings: Any) -> Taker:
    settings.LOCAL_OPERATOR = False
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return Taker(async_client, database, await signed_in(async_client, database))


def heading(page: Page) -> str:
    return re.findall(r"<h1>([^<]*)</h1>", page.main)[0]


def ids(page: Page) -> Counter[str]:
    return Counter(re.findall(r'\sid="([^"]+)"', page.html))


class TestPage:
    async def test_says_the_score_in_a_sentence_that_its_interval_holds(self, taker: Taker) -> None:
        page = await taker.of(TESTED)

        value, low, high = map(int, re.findall(r"\d+", heading(page)))
        assert heading(page) == f"{value}, likely between {low} and {high}"
        assert low <= TESTED.ci_lower <= TESTED.air <= TESTED.ci_upper <= high
        assert abs(value - TESTED.air) <= 0.5

    async def test_shows_each_of_the_twelve_subdomains_once(self, taker: Taker) -> None:
        page = await taker.of(TESTED)

        found = [name for name in ids(page) if name.startswith("subdomain-")]
        assert sorted(found) == sorted(f"subdomain-{name}" for name in bank().sheets)

    async def test_leads_from_each_recommendation_to_the_result_that_caused_it(self, taker: Taker) -> None:
        page = await taker.of(TESTED)

        advice = page.main.partition('<ol class="advice">')[2].partition("</ol>")[0]
        causes = re.findall(r'Because: <a href="#(subdomain-[a-z]+)">', advice)
        assert len(causes) == advice.count("<li>") == 4
        assert all(ids(page)[cause] == 1 for cause in causes)

    async def test_says_why_a_recommendation_is_an_easy_or_a_hard_one(self, taker: Taker) -> None:
        page = await taker.of(of_answers(all_answers(right=False)))

        assert page.text.count("An easy one was among those missed.") == 4

    @pytest.mark.parametrize("result", [TESTED, of_abilities(0.1, 0.2, 0.3)], ids=["tested", "given"])
    async def test_has_what_its_links_name_and_no_id_twice(self, taker: Taker, result: Score) -> None:
        page = await taker.of(result)

        assert set(re.findall(r'href="#([^"]+)"', page.html)) <= set(ids(page))
        assert max(ids(page).values()) == 1

    async def test_tells_neither_questions_nor_keys(self, taker: Taker) -> None:
        page = await taker.of(TESTED)

        asked = [bank().items[item] for told in TESTED.metadata["answers"].values() for item in told["items"]]
        assert not any(words in page.text for item in asked for words in (item.id, item.stem, item.rationale))

    async def test_says_what_is_not_measured_and_what_it_must_not_be_used_for(self, taker: Taker) -> None:
        text = (await taker.of(TESTED)).text

        for words in (
            "Alignment",
            "no percentiles of people",
            "no validity study",
            "not calibrated",
            "illustrative",
            "measurement error only",
            "towards the middle",
            "the United States as a whole",
            "not benefit",
            "Not for hiring, not for promotion, not for admission",
            "No AI judged your answers",
        ):
            assert words in text

    async def test_shows_the_occupation_with_its_figures_and_their_sources(self, taker: Taker) -> None:
        text = (await taker.of(TESTED)).text

        told = TESTED.metadata["occupation"]
        assert f"${told['wage_usd']:,}" in text
        assert all(f"higher than {told[f'{name}_percentile']} %" in text for name in ("growth", "wage", "exposure"))
        assert all(source.replace("'", "’") in text.replace("'", "’") for source in told["sources"].values())

    async def test_says_how_much_of_the_score_is_the_occupation(self, taker: Taker) -> None:
        page = await taker.of(TESTED)

        person, occupation, both = 0.6 * TESTED.vr, 0.4 * TESTED.hr, 0.15 * TESTED.synergy
        assert f"{person:.0f} of these points come from your answers" in page.text
        assert f"{occupation:.0f} from the figures of the occupation, {both:.0f} from both together." in page.text
        for told in (f"× 0.6 = {person:.1f}", f"× 0.4 = {occupation:.1f}", f"× 0.15 = {both:.1f}"):
            assert f"{told} points" in page.text

    async def test_draws_and_says_where_the_score_cannot_be(self, taker: Taker) -> None:
        wrong = of_answers(all_answers(right=False))
        page = await taker.of(wrong)

        assert f"cannot be below {int(0.4 * wrong.hr)}: that part of the scale is hatched." in page.text
        assert page.main.count('class="hatch"') == 2  # wide and narrow

    async def test_keeps_to_the_content_security_policy(self, taker: Taker) -> None:
        page = await taker.of(TESTED)

        assert " style=" not in page.main
        assert "<script" not in page.main

    async def test_where_nothing_was_missed_says_so(self, taker: Taker) -> None:
        page = await taker.of(of_answers(all_answers(right=True)))

        assert "Nothing was missed" in page.text
        assert "nearer the middle" not in page.text
        assert "advice" not in page.main

    async def test_of_a_score_beyond_the_scale_says_so(self, taker: Taker) -> None:
        text = (await taker.of(of_abilities(4, 4, 4))).text

        assert "100, likely between" in text
        assert "the scale ends at 100" in text

    async def test_keeps_the_formulas_and_no_figures_of_a_person(self, taker: Taker) -> None:
        formulas.mathml.cache_clear()
        of_one = await taker.of(TESTED)
        kept = formulas.mathml.cache_info()
        of_another = await taker.of(of_person(-0.7, 0.1, 0.8, seed=3))

        assert of_one.main.count("<math") == of_another.main.count("<math") == 10
        assert kept.currsize == formulas.mathml.cache_info().currsize == 5
        assert formulas.mathml.cache_info().hits == kept.hits + 5

    async def test_changes_nothing_and_takes_no_form(self, taker: Taker) -> None:
        stored = await taker.store(TESTED)

        answer = await taker.client.post(reverse("assessments:result", args=[stored.id]))

        assert answer.status_code == 405


class TestHistory:
    async def test_of_a_first_score_says_that_it_is_the_first(self, taker: Taker) -> None:
        page = await taker.of(TESTED)

        assert "This is your first score" in page.text
        assert 'class="past"' not in page.main

    async def test_compares_the_two_last_scores_and_links_each(self, taker: Taker) -> None:
        first = await taker.store(of_person(0.4, -0.2, 0.3, seed=7))
        page = await taker.of(TESTED)

        assert "The two intervals overlap" in page.text
        assert page.main.count('class="past"') == 1
        assert reverse("assessments:result", args=[first.id]) in page.main

    async def test_tells_each_in_numbers_with_the_title_of_its_occupation(self, taker: Taker) -> None:
        other = of_person(0.4, -0.2, 0.3, occupation="11-9051")
        await taker.store(other)
        page = await taker.of(TESTED)

        _value, low, high = Span(other.air, other.ci_lower, other.ci_upper).whole
        assert f'{other.air:.0f} <span class="soft">{low}–{high}</span></td><td>Food service managers</td>' in page.main
        assert f"Your own part (V) went from {other.vr:.1f} to" in page.text or f"stayed at {other.vr:.1f}" in page.text

    async def test_has_none_of_other_people(self, taker: Taker) -> None:
        await store(taker.database, score(user()))

        assert "This is your first score" in (await taker.of(TESTED)).text


class TestWhatCannotBeRead:
    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"parameter_version": "2031.4"}, "a formula that this release does not know"),
            ({"calculation_metadata": {}}, "not stored with it in a form that this release can read"),
            (
                {"calculation_metadata": {**TESTED.metadata, "bank": {"version": "77", "sha256": "0"}}},
                "do not stand in",
            ),
            ({"calculation_metadata": {**TESTED.metadata, "hr": None}}, "not stored with it in a form"),
            ({"occupation_code": "99-9999", "calculation_metadata": {}}, "Its title is not in this release."),
        ],
    )
    async def test_is_named_on_a_page_with_the_stored_numbers(
        self, taker: Taker, fields: dict[str, Any], words: str
    ) -> None:
        page = await taker.of(TESTED, **fields)

        assert words in page.text
        assert heading(page).startswith(f"{TESTED.air:.0f}, likely between ")
        assert all(f"{number:.1f}" in page.text for number in (TESTED.vr, TESTED.hr, TESTED.synergy, TESTED.air))
        assert "subdomain-" not in page.main

    async def test_of_a_later_formula_has_no_shares(self, taker: Taker) -> None:
        page = await taker.of(TESTED, parameter_version="2031.4")

        assert "of these points" not in page.text
        assert "where it stands among occupations" in page.text
        assert "× 0.6" not in page.text

    async def test_of_given_abilities_it_says_that_they_were_not_tested(self, taker: Taker) -> None:
        page = await taker.of(of_abilities(0.1, 0.2, 0.3))

        assert "were given, not tested" in page.text
        assert "Applied domain reasoning" in page.text
        assert "What to practise" not in page.text

    async def test_a_score_that_was_changed_by_hand_is_named(self, taker: Taker) -> None:
        assert "came out differently" in (await taker.of(TESTED, air_score=99.0)).text


class TestJSON:
    @pytest.mark.parametrize("result", [TESTED, of_abilities(0.1, 0.2, 0.3)], ids=["tested", "given"])
    async def test_alone_gives_the_score_again(self, taker: Taker, result: Score) -> None:
        stored = await taker.store(result)

        answer = await taker.client.get(reverse("assessments:result-json", args=[stored.id]))

        told = json.loads(answer.content.decode())
        again = recalculate(told["calculation_metadata"])
        assert answer["Content-Type"] == "application/json"
        assert (again.air, again.vr, again.hr, again.synergy) == tuple(
            told[f"{name}_score"] for name in ("air", "vr", "hr", "synergy")
        )
        assert (again.ci_lower, again.ci_upper) == (told["ci_lower"], told["ci_upper"])
        assert told["parameter_version"] == again.metadata["parameter_version"]
        assert again == result

    async def test_is_linked_from_the_page_and_names_nobody(self, taker: Taker) -> None:
        page = await taker.of(TESTED)

        (address,) = page.links("(JSON)")
        text = (await taker.client.get(address)).content.decode()
        assert json.loads(text)["air_score"] == TESTED.air
        assert not any(secret in text for secret in (taker.person.id, taker.person.email, taker.person.name))


class TestAnothersResult:
    @pytest.mark.parametrize("name", ["assessments:result", "assessments:result-json"])
    async def test_is_answered_like_one_that_is_not_there(self, taker: Taker, name: str) -> None:
        another = score(user(), calculation_metadata=TESTED.metadata)
        await store(taker.database, another)

        theirs = await taker.client.get(reverse(name, args=[another.id]))
        nobodys = await taker.client.get(reverse(name, args=[new_id()]))

        assert (theirs.status_code, nobodys.status_code) == (404, 404)
        assert TESTED.metadata["occupation"]["title"] not in theirs.content.decode()

    async def test_is_for_nobody_who_is_not_signed_in(self, taker: Taker) -> None:
        stored = await taker.store(TESTED)

        answer = await AsyncClient().get(reverse("assessments:result", args=[stored.id]))

        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/sign-in")
