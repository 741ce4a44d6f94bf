import asyncio
import json
import os
import signal
import sys
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from accounts.models import User
from accounts.repositories import UserRepository
from accounts.services import create_user
from assessments import progress, selectors
from assessments.bank import CURRENT, Multiple, bank
from assessments.models import AIRScore, Assessment, Response, Sitting, Status
from assessments.occupations import UnknownOccupation
from assessments.progress import Outdated
from assessments.repositories import AssessmentRepository, ResponseRepository, SittingRepository
from assessments.scoring import COMPONENTS, recalculate
from assessments.selection import LEAST_ITEMS, MOST_ITEMS, PRECISION
from assessments.services import remove_assessments
from assessments.sittings import AlreadyAnswered, Ended, NoAnswer, NotAsked, OpenSitting
from outbox.models import DomainEvent
from qulab.db.base import Base
from qulab.db.engine import Database
from qulab.db.errors import Conflict, NotFound
from tests.assessments.sitters import Taker, right, wrong
from tests.budgets.statements import at_most

pytestmark = pytest.mark.usefixtures("cache", "streams_client")


async def person(database: Database, name: str) -> str:
    async with database.writing() as session:
        return (await create_user(session, email=f"{name}@example.com", name=name)).id


@pytest.fixture
async def taker(database: Database) -> Taker:
    return Taker(database, await person(database, "ann"))


async def all_of(database: Database, model: type[Base]) -> list[Any]:
    async with database.reading() as session:
        return list(await session.scalars(select(model).order_by(model.id)))  # type: ignore[attr-defined]


async def stored(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row that a sitting could change."""
    models = (Sitting, Assessment, Response, AIRScore, DomainEvent)
    return {
        model.__tablename__: [
            {column.key: getattr(row, column.key) for column in model.__mapper__.column_attrs}
            for row in await all_of(database, model)
        ]
        for model in models
    }


async def events(database: Database) -> list[str]:
    async with database.reading() as session:
        about = DomainEvent.aggregate_type.in_(("Assessment", "AIRScore"))
        return list(await session.scalars(select(DomainEvent.event_type).where(about).order_by(DomainEvent.id)))


async def delete_all_parts(database: Database) -> None:
    async with database.writing() as session:
        await remove_assessments(session)
        await session.commit()


class TestBegin:
    async def test_stores_the_sitting_its_first_question_and_the_event(self, database: Database, taker: Taker) -> None:
        sitting_id = await taker.begin()

        now = await taker.now(sitting_id)
        assert (now.status, now.component, now.step, now.position) == (Status.IN_PROGRESS, COMPONENTS[0], 1, 1)
        assert now.item_id in {item.id for item in bank().items_of(COMPONENTS[0])}
        assert await events(database) == ["AssessmentStarted"]
        (sitting,) = await all_of(database, Sitting)
        assert (sitting.bank_version, sitting.bank_sha256) == (CURRENT, bank().sha256)

    async def test_two_sittings_begin_with_questions_of_their_own_chance(self, database: Database) -> None:
        first_items = set()
        for number in range(12):
            taker = Taker(database, await person(database, f"p{number}"))
            first_items.add((await taker.now(await taker.begin(seed=None))).item_id)

        assert len(first_items) > 1

    async def test_an_unknown_user_and_an_unknown_occupation_store_nothing(
        self, database: Database, taker: Taker
    ) -> None:
        with pytest.raises(NotFound):
            await Taker(database, "nobody").begin()
        with pytest.raises(UnknownOccupation):
            await taker.begin(occupation_code="15-9999")

        assert await all_of(database, Sitting) == []

    async def test_of_someone_who_is_deleted_meanwhile_finds_nobody(
        self, database: Database, taker: Taker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The user is gone between the look and the row, as another transaction may see to on PostgreSQL."""
        found = UserRepository.one

        async def found_and_gone(self: UserRepository, key: str, *arguments: Any, **more: Any) -> Any:
            user = await found(self, key, *arguments, **more)
            await self.session.execute(delete(User).where(User.id == key))
            await self.session.commit()
            return user

        monkeypatch.setattr(UserRepository, "one", found_and_gone)
        with pytest.raises(NotFound):
            await taker.begin()

        assert await all_of(database, Sitting) == []

    async def test_while_one_is_in_progress_leads_to_it(self, database: Database, taker: Taker) -> None:
        sitting_id = await taker.begin()
        before = await stored(database)

        with pytest.raises(OpenSitting) as refused:
            await taker.begin()

        assert refused.value.sitting_id == sitting_id
        assert await stored(database) == before

    async def test_of_many_at_once_one_begins(self, database: Database, taker: Taker) -> None:
        results = await asyncio.gather(*(taker.begin() for _ in range(8)), return_exceptions=True)

        begun = [one for one in results if isinstance(one, str)]
        assert len(begun) == 1
        assert {one.sitting_id for one in results if isinstance(one, OpenSitting)} == set(begun)
        assert len(await all_of(database, Assessment)) == len(await all_of(database, Response)) == 1


class TestAWholeSitting:
    async def test_ends_with_a_score_that_its_metadata_gives_again(self, database: Database, taker: Taker) -> None:
        sitting_id = await taker.begin()

        await taker.finish(sitting_id)

        (score,) = await all_of(database, AIRScore)
        again = recalculate(json.loads(json.dumps(score.calculation_metadata)))
        assert (score.sitting_id, score.parameter_version) == (sitting_id, "2026.1")
        assert (again.air, again.vr, again.hr, again.synergy) == (
            score.air_score,
            score.vr_score,
            score.hr_score,
            score.synergy_score,
        )
        assert (again.ci_lower, again.ci_upper, again.metadata) == (
            score.ci_lower,
            score.ci_upper,
            score.calculation_metadata,
        )

    async def test_completes_each_component_and_tells_of_it_in_order(self, database: Database, taker: Taker) -> None:
        sitting_id = await taker.begin()

        await taker.finish(sitting_id)

        now = await taker.now(sitting_id)
        (score,) = await all_of(database, AIRScore)
        (sitting,) = await all_of(database, Sitting)
        assessments = await all_of(database, Assessment)
        assert (now.status, now.score_id, now.question) == (Status.COMPLETED, score.id, "")
        assert sitting.completed_at is not None
        assert [(one.component, one.status) for one in assessments] == [
            (component, Status.COMPLETED) for component in COMPONENTS
        ]
        assert await events(database) == ["AssessmentStarted", "AssessmentCompleted"] * 3 + ["AIRScoreCalculated"]

    async def test_stops_when_precise_enough_or_long_enough(self, database: Database, taker: Taker) -> None:
        for seed in ("one", "two", "three"):
            await taker.finish(await taker.begin(seed=seed))

        lengths = []
        for assessment in await all_of(database, Assessment):
            log = [one for one in await all_of(database, Response) if one.assessment_id == assessment.id]
            enough = [one.position >= LEAST_ITEMS and one.posterior_sd <= PRECISION for one in log]
            assert enough[:-1] == [False] * (len(log) - 1)
            assert enough[-1] or len(log) == MOST_ITEMS
            lengths.append(len(log))
        assert min(lengths) < MOST_ITEMS

    async def test_keeps_a_log_from_which_each_step_can_be_told_again(self, database: Database, taker: Taker) -> None:
        await taker.finish(await taker.begin())

        metadata = (await all_of(database, AIRScore))[0].calculation_metadata
        for assessment in await all_of(database, Assessment):
            log = [one for one in await all_of(database, Response) if one.assessment_id == assessment.id]
            answers = metadata["answers"][assessment.component]
            assert [one.position for one in log] == list(range(1, assessment.items_administered + 1))
            assert [one.item_id for one in log] == answers["items"]
            assert len({one.item_id for one in log}) == len(log)
            assert all(one.item_id in one.candidates for one in log)
            assert [one.is_right for one in log] == answers["right"]
            assert (log[-1].theta, log[-1].posterior_sd) == (assessment.current_ability, assessment.posterior_sd)
            assert metadata["abilities"][assessment.component] == {
                "theta": assessment.current_ability,
                "sd": assessment.posterior_sd,
            }

    async def test_the_same_seed_and_answers_ask_the_same(self, database: Database) -> None:
        paths = []
        for name in ("bea", "cid"):
            one = Taker(database, await person(database, name), seed=5)
            await one.finish(await one.begin(seed="same"))
            async with database.reading() as session:
                (listed,) = (await selectors.overview_of(session, one.user_id)).scores
                score = await selectors.score_of(session, user_id=one.user_id, score_id=listed.id)
            paths.append([answers["items"] for answers in score.calculation_metadata["answers"].values()])

        assert paths[0] == paths[1]

    async def test_another_can_follow_and_both_are_in_the_history(self, database: Database, taker: Taker) -> None:
        await taker.finish(await taker.begin())
        await taker.finish(await taker.begin(seed="other"))

        async with database.reading() as session:
            overview = await selectors.overview_of(session, taker.user_id)
        assert overview.open is None
        assert len({score.id for score in overview.scores}) == 2
        assert overview.scores[0].created_at > overview.scores[1].created_at

    async def test_items_are_told_of_one_by_one_only_where_the_settings_ask_for_it(
        self, database: Database, taker: Taker, settings: Any
    ) -> None:
        sitting_id = await taker.begin()
        await taker.step(sitting_id)
        assert "AssessmentItemAnswered" not in await events(database)

        settings.ITEM_EVENTS = True
        await taker.step(sitting_id)

        assert (await events(database)).count("AssessmentItemAnswered") == 1
        (event,) = [one for one in await all_of(database, DomainEvent) if one.event_type == "AssessmentItemAnswered"]
        assert event.payload["position"] == 2
        assert not {"answer", "key"} & set(event.payload)


class TestAnswer:
    async def test_that_is_sent_again_is_recorded_once_and_gets_the_same_reply(
        self, database: Database, taker: Taker
    ) -> None:
        sitting_id = await taker.begin()
        now = await taker.now(sitting_id)
        answer = right(bank().items[now.item_id])
        first = await taker.send(sitting_id, now.question, answer)
        before = await stored(database)

        again = await taker.send(sitting_id, now.question, answer)

        assert again is first
        assert await stored(database) == before

    async def test_the_order_in_which_boxes_were_ticked_makes_no_other_answer(
        self, database: Database, taker: Taker
    ) -> None:
        sitting_id = await taker.begin()
        while True:
            now = await taker.now(sitting_id)
            item = bank().items[now.item_id]
            if isinstance(item, Multiple):
                break
            await taker.send(sitting_id, now.question, right(item))
        await taker.send(sitting_id, now.question, list(reversed(item.key)))
        before = await stored(database)

        await taker.send(sitting_id, now.question, item.key)

        assert await stored(database) == before
        response = next(one for one in await all_of(database, Response) if one.id == now.question)
        assert response.is_right

    async def test_that_differs_from_the_first_is_refused_and_the_first_counts(
        self, database: Database, taker: Taker
    ) -> None:
        sitting_id = await taker.begin()
        now = await taker.now(sitting_id)
        await taker.send(sitting_id, now.question, right(bank().items[now.item_id]))
        before = await stored(database)

        with pytest.raises(AlreadyAnswered):
            await taker.send(sitting_id, now.question, wrong(bank().items[now.item_id]))

        assert await stored(database) == before

    async def test_of_two_tabs_at_once_one_is_recorded(self, database: Database, taker: Taker) -> None:
        sitting_id = await taker.begin()
        for _ in range(5):
            now = await taker.now(sitting_id)
            item = bank().items[now.item_id]
            sent = [taker.send(sitting_id, now.question, answer) for answer in (right(item), wrong(item))]

            results = await asyncio.gather(*sent, return_exceptions=True)

            assert sorted(map(type, results), key=str) == sorted((Status, AlreadyAnswered), key=str)
        assert (await taker.now(sitting_id)).position == 6
        (assessment,) = await all_of(database, Assessment)
        assert assessment.items_administered == 5

    async def test_of_one_answer_sent_many_times_at_once_one_is_recorded(
        self, database: Database, taker: Taker
    ) -> None:
        sitting_id = await taker.begin()
        now = await taker.now(sitting_id)
        answer = wrong(bank().items[now.item_id])

        results = await asyncio.gather(*(taker.send(sitting_id, now.question, answer) for _ in range(10)))

        assert set(results) == {Status.IN_PROGRESS}
        assert [one.position for one in await all_of(database, Response)] == [1, 2]

    async def test_to_a_question_that_was_not_asked_is_refused(self, database: Database, taker: Taker) -> None:
        sitting_id = await taker.begin()
        other = Taker(database, await person(database, "bob"))
        theirs = await other.now(await other.begin(seed="other"))
        before = await stored(database)

        for question in (theirs.question, "no-id", "", "\x00", (await taker.now(sitting_id)).item_id):
            with pytest.raises(NotAsked):
                await taker.send(sitting_id, question, "a")

        assert await stored(database) == before

    async def test_of_another_person_finds_no_such_sitting(self, database: Database, taker: Taker) -> None:
        sitting_id = await taker.begin()
        now = await taker.now(sitting_id)
        other = Taker(database, await person(database, "bob"))
        before = await stored(database)

        with pytest.raises(NotFound):
            await other.send(sitting_id, now.question, right(bank().items[now.item_id]))
        with pytest.raises(NotFound):
            await other.now(sitting_id)
        with pytest.raises(NotFound):
            await other.abandon(sitting_id)
        for nowhere in ("\x00", "no-id"):
            with pytest.raises(NotFound):
                await taker.abandon(nowhere)
            with pytest.raises(NotFound):
                await taker.now(nowhere)

        assert await stored(database) == before

    async def test_that_the_question_does_not_offer_is_refused(self, database: Database, taker: Taker) -> None:
        sitting_id = await taker.begin()
        now = await taker.now(sitting_id)
        before = await stored(database)

        for answer in ("z", "", [], ["a", "z"], float("nan"), float("inf")):
            with pytest.raises(NoAnswer):
                await taker.send(sitting_id, now.question, answer)

        assert await stored(database) == before

    async def test_after_the_end_is_refused_and_repeats_are_not(self, database: Database, taker: Taker) -> None:
        sitting_id = await taker.begin()
        while (await taker.now(sitting_id)).status is Status.IN_PROGRESS:
            last = await taker.now(sitting_id)
            status = await taker.send(sitting_id, last.question, right(bank().items[last.item_id]))
        before = await stored(database)

        assert status is Status.COMPLETED
        assert await taker.send(sitting_id, last.question, right(bank().items[last.item_id])) is Status.COMPLETED
        with pytest.raises(AlreadyAnswered):
            await taker.send(sitting_id, last.question, wrong(bank().items[last.item_id]))
        assert await stored(database) == before

    @pytest.mark.parametrize("steps", [0, 6])
    async def test_sends_four_statements_however_far_the_test_is(
        self, database: Database, taker: Taker, steps: int
    ) -> None:
        sitting_id = await taker.begin()
        for _ in range(steps):
            await taker.step(sitting_id)
        now = await taker.now(sitting_id)

        with at_most(4, database) as opened:
            await taker.send(sitting_id, now.question, right(bank().items[now.item_id]))

        assert opened.count == 4


class TestAbandon:
    async def test_ends_it_without_a_result_and_tells_of_it(self, database: Database, taker: Taker) -> None:
        sitting_id = await taker.begin()
        now = await taker.now(sitting_id)

        await taker.abandon(sitting_id)

        assert (await taker.now(sitting_id)).status is Status.ABANDONED
        assert await events(database) == ["AssessmentStarted", "AssessmentAbandoned"]
        before = await stored(database)
        with pytest.raises(Ended):
            await taker.send(sitting_id, now.question, right(bank().items[now.item_id]))
        await taker.abandon(sitting_id)
        assert await stored(database) == before

    async def test_lets_another_begin(self, database: Database, taker: Taker) -> None:
        first = await taker.begin()
        await taker.abandon(first)

        second = await taker.begin()

        assert second != first
        assert (await taker.now(second)).status is Status.IN_PROGRESS

    async def test_leaves_what_is_completed(self, database: Database, taker: Taker) -> None:
        sitting_id = await taker.begin()
        await taker.finish(sitting_id)
        before = await stored(database)

        await taker.abandon(sitting_id)

        assert await stored(database) == before

    async def test_and_an_answer_at_once_end_in_one_order_or_the_other(self, database: Database, taker: Taker) -> None:
        for number in range(6):
            sitting_id = await taker.begin(seed=str(number))
            now = await taker.now(sitting_id)
            answer = right(bank().items[now.item_id])

            replies = await asyncio.gather(
                taker.send(sitting_id, now.question, answer), taker.abandon(sitting_id), return_exceptions=True
            )

            assert isinstance(replies[0], Status | Ended)
            assert replies[1] is None
            after = await taker.now(sitting_id)
            assert after.status is Status.ABANDONED
            assert after.answered == (0 if isinstance(replies[0], Ended) else 1)

    @pytest.mark.parametrize("other", ["its person", "staff"])
    async def test_at_the_end_of_a_part_leaves_nothing_in_progress(
        self, database: Database, taker: Taker, other: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While an answer completes a part and begins the next, the test is ended, or staff delete that part."""
        sitting_id = await taker.begin()
        monkeypatch.setattr(progress, "is_finished", lambda administered, sd: administered >= 2)
        await taker.step(sitting_id)
        last = await taker.now(sitting_id)
        at_the_end, go_on = asyncio.Event(), asyncio.Event()
        advance = AssessmentRepository.advance

        async def held(*arguments: Any, **values: Any) -> bool:
            at_the_end.set()
            await go_on.wait()
            return await advance(*arguments, **values)

        monkeypatch.setattr(AssessmentRepository, "advance", held)
        answer = asyncio.create_task(taker.send(sitting_id, last.question, right(bank().items[last.item_id])))
        await at_the_end.wait()
        end = asyncio.create_task(taker.abandon(sitting_id) if other == "its person" else delete_all_parts(database))
        await asyncio.wait([end], timeout=0.3)  # it must not get ahead; where it could, it would by now
        go_on.set()
        await asyncio.gather(answer, end)

        (sitting,) = await all_of(database, Sitting)
        assert sitting.status == Status.ABANDONED
        assert Status.IN_PROGRESS not in [one.status for one in await all_of(database, Assessment)]
        told = await events(database)
        started = told.count("AssessmentStarted")
        assert started == told.count("AssessmentCompleted") + told.count("AssessmentAbandoned")


class TestOutdated:
    @pytest.mark.parametrize(
        "changed", [{"bank_version": "99"}, {"bank_sha256": "0" * 64}, {"occupation_code": "gone"}]
    )
    async def test_questions_of_another_release_are_not_answered_and_the_test_can_be_ended(
        self, database: Database, taker: Taker, changed: dict[str, str]
    ) -> None:
        sitting_id = await taker.begin()
        shown = await taker.now(sitting_id)
        async with database.writing() as session:
            await SittingRepository(session).update(Sitting.id == sitting_id, **changed)
            await session.commit()
        before = await stored(database)

        assert (await taker.now(sitting_id)).is_outdated
        with pytest.raises(Outdated):
            await taker.send(sitting_id, shown.question, right(bank().items[shown.item_id]))
        assert await stored(database) == before

        await taker.abandon(sitting_id)
        assert (await taker.now(await taker.begin())).status is Status.IN_PROGRESS


class TestCrash:
    @pytest.mark.parametrize("moment", ["before", "after"])
    async def test_of_the_process_at_the_commit_resumes_where_the_database_says(
        self, database: Database, taker: Taker, moment: str
    ) -> None:
        """A real process is killed just before, or just after, the answer is committed."""
        sitting_id = await taker.begin()
        await taker.step(sitting_id)
        shown = await taker.now(sitting_id)
        url = database.url.render_as_string(hide_password=False)
        arguments = [url, moment, taker.user_id, sitting_id, shown.question]
        answer = right(bank().items[shown.item_id])
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.assessments.dying", *arguments, json.dumps(answer), env=os.environ
        )
        assert await process.wait() == -signal.SIGKILL

        now = await taker.now(sitting_id)

        if moment == "before":
            assert now == shown
        else:
            assert (now.position, now.answered) == (shown.position + 1, shown.answered + 1)
        await taker.send(sitting_id, shown.question, answer)
        assert (await taker.now(sitting_id)).answered == shown.answered + 1

    @pytest.mark.parametrize("where", ["show", "commit"])
    async def test_half_way_leaves_nothing(
        self, database: Database, taker: Taker, where: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sitting_id = await taker.begin()
        now = await taker.now(sitting_id)
        before = await stored(database)

        async def fail(*_: Any, **__: Any) -> None:
            raise RuntimeError("half-way")

        if where == "show":
            monkeypatch.setattr(ResponseRepository, "show", fail)
        else:
            from qulab.db.session import Session

            monkeypatch.setattr(Session, "commit", fail)
        with pytest.raises(RuntimeError):
            await taker.send(sitting_id, now.question, right(bank().items[now.item_id]))

        monkeypatch.undo()
        assert await stored(database) == before


class TestConstraints:
    async def test_no_item_no_position_twice_and_one_question_at_a_time(self, database: Database, taker: Taker) -> None:
        sitting_id = await taker.begin()
        now = await taker.now(sitting_id)
        (assessment,) = await all_of(database, Assessment)
        async with database.writing() as session:
            await ResponseRepository(session).answer(now.question, answer="a", is_right=True)
            await session.commit()

        for item_id, position in ((now.item_id, 2), ("other", 1)):
            async with database.writing() as session:
                with pytest.raises(Conflict):
                    await ResponseRepository(session).show(
                        assessment_id=assessment.id, position=position, item_id=item_id, candidates=[]
                    )
        async with database.writing() as session:
            responses = ResponseRepository(session)
            await responses.show(assessment_id=assessment.id, position=2, item_id="second", candidates=[])
            with pytest.raises(Conflict):
                await responses.show(assessment_id=assessment.id, position=3, item_id="third", candidates=[])

    async def test_all_of_it_ends_with_its_user(self, database: Database, taker: Taker) -> None:
        await taker.finish(await taker.begin())
        await taker.begin(seed="second")

        async with database.writing() as session:
            user = await UserRepository(session).one(taker.user_id)
            await session.delete(user)
            await session.commit()

        async with database.reading() as session:
            for model in (Sitting, Assessment, Response, AIRScore):
                assert await session.scalar(select(func.count()).select_from(model)) == 0


class TestSelectors:
    async def test_a_score_of_another_person_is_not_found(self, database: Database, taker: Taker) -> None:
        await taker.finish(await taker.begin())
        (score,) = await all_of(database, AIRScore)

        async with database.reading() as session:
            assert (await selectors.score_of(session, user_id=taker.user_id, score_id=score.id)).id == score.id
            with pytest.raises(NotFound):
                await selectors.score_of(session, user_id=await person(database, "bob"), score_id=score.id)

    async def test_the_overview_shows_what_is_in_progress(self, database: Database, taker: Taker) -> None:
        async with database.reading() as session:
            assert (await selectors.overview_of(session, taker.user_id)).open is None
        sitting_id = await taker.begin()

        async with database.reading() as session:
            overview = await selectors.overview_of(session, taker.user_id)

        assert overview.open == await taker.now(sitting_id)
        assert overview.scores == []
