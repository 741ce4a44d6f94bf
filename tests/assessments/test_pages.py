"""The pages of the test as a browser without JavaScript uses them: whatever it sends, nothing is lost or told twice."""

import asyncio
from html import unescape
from typing import Any

import pytest
from django.test import AsyncClient
from sqlalchemy import func, select

from assessments import sittings
from assessments.bank import AnyItem, bank
from assessments.models import AIRScore, Assessment, Response, Sitting, Status
from assessments.outcomes import Span
from assessments.repositories import SittingRepository
from assessments.scoring import COMPONENTS
from assessments.selection import LEAST_ITEMS, MOST_ITEMS
from assessments.views import beginning
from assessments.views.shown import is_table
from outbox.models import DomainEvent
from qulab.access.limits import Limit
from qulab.access.person import Person
from qulab.db.engine import Database
from tests.access.people import account, sign_client_in, signed_in
from tests.accounts.conftest import browser, fast
from tests.admin.conftest import Page

from .taking import OCCUPATION, Asked, Taker

__all__ = ["browser", "fast"]  # fixtures

NEVER_TOLD = ["rationale", "key=", "level", "tolerance", "is_right", "theta"]
BAD = {
    "choice": [
        ({}, "Choose one of the options."),
        ({"letter": ""}, "Choose one of the options."),
        ({"letter": "z"}, "This is not one of the options."),
        ({"letter": "\x00"}, "This is not one of the options."),
    ],
    "multiple": [
        ({}, "Choose at least one of the options."),
        ({"letters": ["a", "z"]}, "This is not one of the options."),
    ],
    "ordering": [
        ({}, "Choose a place for this."),
        ({"place_a": "1"}, "Choose a place for this."),
        ({"place_a": "9"}, "Choose a place from 1 to"),
        (
            dict.fromkeys(["place_a", "place_b", "place_c", "place_d", "place_e"], "2"),
            "Place 2 is given more than once.",
        ),
    ],
    "numeric": [
        ({}, "Write a number like 12 or 0.75."),
        ({"number": "about ten"}, "Write a number like 12 or 0.75."),
        ({"number": "1,000"}, "with a point, and without commas"),
        ({"number": "nan"}, "Write a number like 12 or 0.75."),
        ({"number": "9" * 41}, "Write a number like 12 or 0.75."),
    ],
}


@pytest.fixture
async def person(browser: AsyncClient, database: Database) -> Person:
    """Somebody who is signed in with `browser`."""
    return await signed_in(browser, database)


@pytest.fixture
def taker(browser: AsyncClient, person: Person) -> Taker:
    return Taker(browser)


async def another_taker(database: Database) -> Taker:
    """Somebody else, in a browser of their own."""
    client = AsyncClient()
    await sign_client_in(client, await account(database))
    return Taker(client)


async def stored(database: Database) -> tuple[int, int, int, int]:
    """Answers, questions that wait, scores and events: what a step could record twice."""
    async with database.reading() as session:
        answered = select(func.count()).where(Response.answered_at.is_not(None))
        waiting = select(func.count()).where(Response.answered_at.is_(None))
        counts = [answered, waiting, select(func.count(AIRScore.id)), select(func.count(DomainEvent.id))]
        return tuple([await session.scalar(count) or 0 for count in counts])  # type: ignore[return-value]


async def answers(database: Database) -> list[Any]:
    async with database.reading() as session:
        given = select(Response.answer).where(Response.answered_at.is_not(None)).order_by(Response.id)
        return list(await session.scalars(given))


class TestTheWholeTest:
    async def test_leads_from_its_first_question_to_the_result(self, taker: Taker, database: Database) -> None:
        seen, result = await taker.to_the_end(await taker.begin())

        assert 3 * LEAST_ITEMS <= len(seen) <= 3 * MOST_ITEMS
        assert len({asked.question for asked in seen}) == len(seen)
        assert result["Location"].startswith("/assess/results/")
        assert (await taker.client.get(result["Location"])).status_code == 200
        assert (await stored(database))[:3] == (len(seen), 0, 1)

    async def test_leads_on_to_the_result_whenever_it_is_opened_again(self, taker: Taker) -> None:
        seen, result = await taker.to_the_end(await taker.begin())

        again = await taker.client.get(f"/assess/{seen[0].sitting_id}")

        assert again["Location"] == result["Location"]

    async def test_says_where_one_is(self, taker: Taker) -> None:
        seen, _ = await taker.to_the_end(await taker.begin())
        titles = [bank().component(name).title for name in COMPONENTS]
        said = [Page(await _as_answer(asked)).text for asked in seen]

        assert "Question 1 part 1 of 3 at most 15 in each part" in said[0]
        assert f"Question 1 · {titles[0]}" in said[0]
        assert [title for title in titles if any(f"Question 2 · {title}" in one for one in said)] == titles
        assert sum("Question 1 part" in one for one in said) == 3
        assert not any("perhaps sooner" in one for one in said)
        assert all("at most 15 in each part" in one or "the last one of this part" in one for one in said)

    async def test_tells_neither_keys_nor_levels_nor_the_names_of_items(
        self, taker: Taker, person: Person, database: Database
    ) -> None:
        seen, _ = await taker.to_the_end(await taker.until("choice", database, person.id))
        async with database.reading() as session:
            rows = (await session.execute(select(Response.id, Response.item_id))).all()
        items = {row.id: bank().items[row.item_id] for row in rows}

        for asked in seen:
            item = items[asked.question]
            beside = _without_what_it_asks(asked.html, item)
            assert item.rationale.lower() not in beside
            assert not any(word in beside for word in (item.id, *NEVER_TOLD))
            assert "checked" not in beside
            assert "selected" not in beside.replace('value="" selected', "")


def _without_what_it_asks(html: str, item: AnyItem) -> str:
    """The page in small letters, without the words of the question: they may be any."""
    beside = unescape(html).lower()
    for words in (item.stem, item.exhibit, *getattr(item, "options", {}).values()):
        beside = beside.replace(words.lower(), "") if words else beside
    return beside


async def _as_answer(asked: Asked) -> Any:
    class Answer:
        status_code, content = 200, asked.html.encode()

    return Answer()


class TestBegin:
    async def test_proposes_the_occupation_of_the_profile(self, browser: AsyncClient, database: Database) -> None:
        await signed_in(browser, database, occupation_code="29-1141.00")

        page = Page(await browser.get("/assess/begin"))

        assert "From your profile Registered nurses 29-1141" in page.text
        assert 'value="29-1141" checked' in page.html

    async def test_proposes_the_occupation_of_the_last_score_where_the_profile_has_none(self, taker: Taker) -> None:
        for code in (OCCUPATION, "29-1141"):
            await taker.to_the_end(await taker.begin(code))

        page = Page(await taker.client.get("/assess/begin"))

        assert "From your last test Registered nurses 29-1141" in page.text
        assert 'value="29-1141" checked' in page.html
        assert "All others (104)" in page.text

    async def test_finds_an_occupation_by_its_title(self, taker: Taker) -> None:
        page = Page(await taker.client.get("/assess/begin", {"q": "software"}))

        assert "2 occupations for “software”, the nearest first Software developers 15-1252" in page.text
        assert "All others (103)" in page.text
        assert page.html.count('type="radio"') == 105

    async def test_says_where_nothing_is_found_what_to_do(self, taker: Taker) -> None:
        page = Page(await taker.client.get("/assess/begin", {"q": "<zzz>"}))

        assert "Nothing is like “<zzz>” among the 105 occupations. They go by their official titles" in page.text
        assert "All 105 occupations" in page.text
        assert page.html.count('type="radio"') == 105

    async def test_stores_nothing_before_it_is_pressed(self, taker: Taker, database: Database) -> None:
        for address in ("/assess/", "/assess/begin", "/assess/begin?q=nurse"):
            assert (await taker.client.get(address)).status_code == 200

        assert await stored(database) == (0, 0, 0, 0)

    async def test_that_is_pressed_again_and_again_is_refused_for_a_while(
        self, taker: Taker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(beginning, "BEGIN", Limit("begin", 2, 3600, "Again and again."))
        form = {"occupation_code": "15-1252"}
        answers = [await taker.client.post("/assess/begin", form) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [303, 303, 429]
        assert int(answers[-1]["Retry-After"]) > 0

    async def test_leads_to_the_test_that_is_open(self, taker: Taker, database: Database) -> None:
        asked = await taker.begin()

        again = await taker.begin("29-1141")

        assert again.question == asked.question
        assert await stored(database) == (0, 1, 0, 1)

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({}, "Choose an occupation: search above, or open the list."),
            ({"occupation_code": "15-1299"}, "15-1252 Software developers"),
            ({"occupation_code": "nobody"}, "Choose one by its title, or by a SOC code such as 15-1252."),
            ({"occupation_code": "x" * 21}, "at most 20 characters"),
            ({"occupation_code": "\x00"}, "Null characters are not allowed."),
        ],
    )
    async def test_wants_an_occupation_of_the_table(
        self, taker: Taker, database: Database, fields: dict[str, str], said: str
    ) -> None:
        page = Page(await taker.client.post("/assess/begin", {"q": "nurse", **fields}))

        assert page.status == 422
        assert said in page.text
        assert "4 occupations for “nurse”" in page.text
        assert await stored(database) == (0, 0, 0, 0)


class TestOverview:
    async def test_says_what_the_test_is_and_is_not(self, taker: Taker) -> None:
        page = Page(await taker.client.get("/assess/"))

        assert "Three parts of up to 15 questions, most often 13 to 15; about 40 minutes in all." in page.text
        assert "every question needs an answer, and none can be skipped" in page.text
        assert "right only with all of them and no others" in page.text
        assert "It compares you with no other people" in page.text
        assert "Never for hiring, promotion or admission" in page.text
        assert "None yet." in page.text
        assert page.links("Begin the test") == ["/assess/begin"]

    async def test_leads_on_with_a_test_that_is_under_way(self, taker: Taker) -> None:
        asked = await taker.answer(await taker.begin())

        page = Page(await taker.client.get("/assess/"))

        assert "1 question is answered, and its answer is stored." in page.text
        assert "Software developers (15-1252)" in page.text
        assert (await taker.look(page.links("Go on with the test")[0])).question == asked.question
        assert not page.links("Begin the test")

    async def test_lists_the_scores_the_newest_first(self, taker: Taker, database: Database) -> None:
        ends = [(await taker.to_the_end(await taker.begin(code)))[1]["Location"] for code in (OCCUPATION, "29-1141")]

        page = Page(await taker.client.get("/assess/"))

        assert page.links("20") == ends[::-1]
        assert "Registered nurses" in page.text.partition("Software developers")[0]
        assert page.text.index("Your scores") < page.text.index("How it goes")
        assert page.links("Take the test again") == ["/assess/begin"]

    async def test_lists_a_score_as_its_own_page_has_it(self, taker: Taker, database: Database) -> None:
        _seen, result = await taker.to_the_end(await taker.begin())
        async with database.reading() as session:
            score = await session.scalar(select(AIRScore))
        assert score is not None
        value, low, high = Span(score.air_score, score.ci_lower, score.ci_upper).whole

        page = Page(await taker.client.get("/assess/"))

        at = f"{score.created_at:%Y-%m-%d %H:%M}"
        assert f"{at} Software developers {value} {low}–{high}" in page.text
        assert f'aria-label="{at}, Software developers">{at}</a>' in page.html
        assert f"{value}, likely between {low} and {high}" in Page(await taker.client.get(result["Location"])).text

    async def test_is_linked_for_whoever_is_signed_in_alone(self, browser: AsyncClient, taker: Taker) -> None:
        profile = Page(await taker.client.get("/accounts/profile"))
        nobody = Page(await AsyncClient().get("/"))

        assert profile.links("Your test") == ["/assess/"]
        assert profile.links("To the test and your scores") == ["/assess/"]
        assert not nobody.links("Your test")

    async def test_is_led_to_by_signing_in_where_the_lab_is_open(self, taker: Taker, settings: Any) -> None:
        settings.LAB = "open"
        nobody = Page(await AsyncClient().get("/lab/glossary"))
        known = Page(await taker.client.get("/lab/glossary"))

        assert nobody.links("Take the test") == ["/accounts/sign-in?next=/assess/"]
        assert known.links("Your test") == ["/assess/"]
        assert not known.links("Take the test")


class TestResume:
    async def test_goes_on_at_the_same_question_in_another_browser(
        self, taker: Taker, database: Database, person: Person
    ) -> None:
        asked = await taker.answer(await taker.begin())
        elsewhere = AsyncClient()
        elsewhere.cookies = taker.client.cookies

        again = await Taker(elsewhere).look(f"/assess/{asked.sitting_id}")

        assert again.question == asked.question
        assert again.fields() == asked.fields()

    async def test_reading_a_question_writes_nothing(self, taker: Taker, database: Database) -> None:
        asked = await taker.begin()
        before = await stored(database)

        for _ in range(3):
            await taker.look(f"/assess/{asked.sitting_id}")

        assert await stored(database) == before

    async def test_leads_from_where_answers_are_sent_to_back_to_the_question(self, taker: Taker) -> None:
        asked = await taker.begin()

        assert (await taker.follow(await taker.client.get(asked.address))).question == asked.question

    async def test_is_kept_by_nobody_on_the_way(self, taker: Taker) -> None:
        asked = await taker.begin()

        page = await taker.client.get(f"/assess/{asked.sitting_id}")

        assert "no-store" in page["Cache-Control"]
        assert "private" in page["Cache-Control"]


class TestAnswerTwice:
    async def test_the_same_answer_leads_on_and_is_recorded_once(self, taker: Taker, database: Database) -> None:
        asked = await taker.begin()
        following = await taker.answer(asked)
        before = await stored(database)

        again = await taker.answer(asked)

        assert again.question == following.question
        assert await stored(database) == before

    async def test_at_once_is_recorded_once(self, taker: Taker, database: Database) -> None:
        asked = await taker.begin()

        sent = await asyncio.gather(*(taker.send(asked) for _ in range(4)))

        assert {answer.status_code for answer in sent} == {303}
        assert (await stored(database))[:2] == (1, 1)

    async def test_another_answer_is_refused_and_leads_on(self, taker: Taker, database: Database) -> None:
        asked = await taker.begin()
        following = await taker.answer(asked)
        before, given = await stored(database), await answers(database)

        page = Page(await taker.send(asked, asked.fields(turn=1)))

        assert page.status == 409
        assert "This question is answered already" in page.text
        assert "What you sent just now was not recorded." in page.text
        assert "Nothing is lost: 1 answer of this test is stored, once." in page.text
        assert (await taker.look(page.links("Go on with question 2")[0])).question == following.question
        assert (await stored(database), await answers(database)) == (before, given)

    async def test_from_two_tabs_at_once_records_one_and_tells_the_other(
        self, taker: Taker, database: Database
    ) -> None:
        asked = await taker.begin()

        sent = await asyncio.gather(*(taker.send(asked, asked.fields(turn)) for turn in (0, 1)))

        assert sorted(answer.status_code for answer in sent) == [303, 409]
        assert (await stored(database))[:2] == (1, 1)

    async def test_no_answer_to_an_answered_question_is_refused_alike(self, taker: Taker, database: Database) -> None:
        asked = await taker.begin()
        await taker.answer(asked)

        page = Page(await taker.send(asked, {"question": asked.question}))

        assert page.status == 409
        assert "This question is answered already" in page.text

    async def test_the_last_answer_twice_leads_to_the_one_result(self, taker: Taker, database: Database) -> None:
        seen, result = await taker.to_the_end(await taker.begin())

        again = await taker.send(seen[-1])

        assert (await taker.client.get(again["Location"]))["Location"] == result["Location"]
        assert (await stored(database))[2] == 1

    async def test_another_answer_after_the_end_leads_to_the_result(self, taker: Taker, database: Database) -> None:
        seen, result = await taker.to_the_end(await taker.begin())
        before = await stored(database)

        page = Page(await taker.send(seen[3], seen[3].fields(turn=1)))

        assert page.status == 409
        assert page.links("See your result") == [result["Location"]]
        assert await stored(database) == before


class TestBadForm:
    @pytest.mark.parametrize(
        ("kind", "fields", "said"), [(kind, *bad) for kind, several in BAD.items() for bad in several]
    )
    async def test_shows_the_same_question_with_what_is_wrong(
        self, taker: Taker, person: Person, database: Database, kind: str, fields: dict[str, Any], said: str
    ) -> None:
        asked = await taker.until(kind, database, person.id)
        before = await stored(database)

        answer = await taker.send(asked, {"question": asked.question, **fields})

        page, again = Page(answer), Asked(answer.content.decode())
        assert page.status == 422
        assert said in page.text
        assert "This answer is not recorded yet." in page.text
        assert "<title>Not recorded · Question" in page.html
        assert again.fields() == asked.fields()
        assert await stored(database) == before

    async def test_keeps_what_was_typed(self, taker: Taker, person: Person, database: Database) -> None:
        asked = await taker.until("numeric", database, person.id)
        number = Page(await taker.send(asked, {"question": asked.question, "number": '7,5 <b>"'}))
        await taker.client.post(f"/assess/{asked.sitting_id}/abandon")
        asked = await taker.until("ordering", database, person.id)
        order = Page(await taker.send(asked, asked.fields() | {"place_b": "1"}))

        assert 'value="7,5 &lt;b&gt;&quot;"' in number.html
        assert order.html.count("selected") == len(asked.places)
        assert order.text.count("Place 1 is given more than once.") == 2

    @pytest.mark.parametrize(
        "fields",
        [{}, {"question": ""}, {"question": "nobody"}, {"question": "\x00"}, {"question": "x" * 5000}, {"letter": "a"}],
    )
    async def test_without_a_question_that_was_asked_stores_nothing(
        self, taker: Taker, database: Database, fields: dict[str, str]
    ) -> None:
        asked = await taker.begin()
        before = await stored(database)

        page = Page(await taker.send(asked, fields))

        assert page.status == 400
        assert "Nothing was recorded." in page.text
        assert (await taker.look(page.links("Go on with question 1")[0])).question == asked.question
        assert await stored(database) == before

    async def test_with_a_question_of_another_test_stores_nothing(self, taker: Taker, database: Database) -> None:
        theirs = await (await another_taker(database)).begin()
        mine = await taker.begin()
        before = await stored(database)

        page = Page(await taker.send(mine, mine.fields() | {"question": theirs.question}))

        assert page.status == 400
        assert await stored(database) == before


class TestAnotherPersons:
    @pytest.mark.parametrize("after", ["", "/abandon"])
    async def test_test_is_not_there(self, taker: Taker, database: Database, after: str) -> None:
        theirs = await (await another_taker(database)).begin()

        answer = await taker.client.get(f"/assess/{theirs.sitting_id}{after}")

        assert answer.status_code == 404
        assert "You have no such test" in Page(answer).text
        assert theirs.question not in answer.content.decode()

    @pytest.mark.parametrize("to", ["answer", "abandon"])
    async def test_test_is_not_changed(self, taker: Taker, database: Database, to: str) -> None:
        theirs = await (await another_taker(database)).begin()
        before = await stored(database)

        page = Page(await taker.client.post(f"/assess/{theirs.sitting_id}/{to}", theirs.fields()))

        assert page.status == 404
        assert page.links("To your own test and scores") == ["/assess/"]
        assert await stored(database) == before
        assert await _status(database, theirs) == Status.IN_PROGRESS

    async def test_test_is_answered_like_one_that_is_not_there(self, taker: Taker, database: Database) -> None:
        theirs = await (await another_taker(database)).begin()

        pages = [Page(await taker.client.get(f"/assess/{one}")) for one in (theirs.sitting_id, "nobody")]

        assert pages[0].main == pages[1].main
        assert pages[0].status == pages[1].status == 404


class TestAbandon:
    async def test_asks_first(self, taker: Taker, database: Database) -> None:
        asked = await taker.answer(await taker.begin())

        page = Page(await taker.client.get(f"/assess/{asked.sitting_id}/abandon"))

        assert "End this test without a score?" in page.text
        assert "1 answer is stored and stays so" in page.text
        assert await _status(database, asked) == Status.IN_PROGRESS

    async def test_ends_the_test_and_says_so(self, taker: Taker, database: Database) -> None:
        asked = await taker.answer(await taker.begin())

        sent = await taker.client.post(f"/assess/{asked.sitting_id}/abandon")

        page = Page(await taker.client.get(sent["Location"]))
        assert "This test has ended" in page.text
        assert "1 answer of it is stored" in page.text
        assert await _status(database, asked) == Status.ABANDONED

    async def test_takes_no_more_answers(self, taker: Taker, database: Database) -> None:
        asked = await taker.begin()
        await taker.client.post(f"/assess/{asked.sitting_id}/abandon")
        before = await stored(database)

        for fields in (asked.fields(), {"question": asked.question}):
            page = Page(await taker.send(asked, fields))
            assert page.status == 409
            assert "This test has ended" in page.text
            assert page.links("Begin another test") == ["/assess/begin"]

        assert await stored(database) == before

    async def test_lets_another_test_begin_with_a_question_of_its_own(self, taker: Taker) -> None:
        asked = await taker.begin()
        await taker.client.post(f"/assess/{asked.sitting_id}/abandon")

        assert (await taker.begin()).sitting_id != asked.sitting_id

    async def test_twice_is_no_harm_and_a_completed_test_stays_so(self, taker: Taker, database: Database) -> None:
        seen, result = await taker.to_the_end(await taker.begin())

        for _ in range(2):
            sent = await taker.client.post(f"/assess/{seen[0].sitting_id}/abandon")
            assert (await taker.client.get(sent["Location"]))["Location"] == result["Location"]

        asked_whether = await taker.client.get(f"/assess/{seen[0].sitting_id}/abandon")
        assert asked_whether.status_code == 303
        assert await _status(database, seen[0]) == Status.COMPLETED


class TestFault:
    async def test_between_question_and_answer_resumes_at_the_same_question(
        self, taker: Taker, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = await taker.begin()
        before = await stored(database)

        def broken(*_: Any, **__: Any) -> None:
            raise RuntimeError("the process ends here")

        with monkeypatch.context() as patched:
            patched.setattr(sittings, "next_question", broken)
            with pytest.raises(RuntimeError, match="the process ends here"):
                await taker.send(asked)

        assert await stored(database) == before
        assert (await taker.look(f"/assess/{asked.sitting_id}")).question == asked.question

    async def test_of_a_score_that_was_deleted_is_told(self, taker: Taker, database: Database) -> None:
        seen, _ = await taker.to_the_end(await taker.begin())
        async with database.writing() as session:
            await session.delete(await session.scalar(select(AIRScore)))
            await session.commit()

        page = Page(await taker.client.get(f"/assess/{seen[0].sitting_id}"))

        assert "its score was deleted since" in page.text
        assert page.links("Begin another test") == ["/assess/begin"]


async def _status(database: Database, asked: Asked) -> str:
    async with database.reading() as session:
        sitting = await session.get_one(Sitting, asked.sitting_id)
        parts = set(await session.scalars(select(Assessment.status).where(Assessment.sitting_id == sitting.id)))
    assert parts == {sitting.status}
    return sitting.status


class TestExhibit:
    def test_wraps_where_its_lines_are_not_columns(self) -> None:
        exhibits = {item.exhibit: item.id for item in bank().items.values() if item.exhibit}

        prose = {name for exhibit, name in exhibits.items() if not is_table(exhibit)}

        assert prose == {"pro-08", "pro-15", "pro-16", "ver-06", "ver-11"}

    def test_that_is_none_is_no_table(self) -> None:
        assert not is_table("")


class TestOutdated:
    """A release that no longer has the questions of a test that is under way."""

    async def test_each_page_says_so_and_lets_it_be_ended(self, taker: Taker, database: Database) -> None:
        asked = await taker.begin()
        async with database.writing() as session:
            await SittingRepository(session).update(Sitting.id == asked.sitting_id, bank_version="99")
            await session.commit()
        before = await stored(database)

        overview = Page(await taker.client.get("/assess/"))
        assert "This release no longer has the questions that it began with" in overview.text
        for answer in (
            await taker.client.get(f"/assess/{asked.sitting_id}"),
            await taker.send(asked),
            await taker.client.post(asked.address, {}),
        ):
            assert answer.status_code in (400, 409)
        assert "no longer has the questions" in Page(await taker.send(asked)).text
        again = await taker.client.post("/assess/begin", {"occupation_code": OCCUPATION})
        assert again["Location"] == f"/assess/{asked.sitting_id}"
        assert await stored(database) == before

        await taker.client.post(f"/assess/{asked.sitting_id}/abandon")
        assert (await taker.begin()).sitting_id != asked.sitting_id
