"""What belongs to a test that somebody took is seen and deleted by staff, never mended, and leaves nobody stuck."""

import asyncio

import pytest
from sqlalchemy import func, select

from accounts.models import User
from assessments.models import AIRScore, Assessment, Response, Sitting, Status
from outbox.models import DomainEvent
from qulab.admin import query
from qulab.admin.models import Audit
from qulab.admin.site import site
from qulab.db.base import Base
from qulab.db.engine import Database
from tests.admin.conftest import Desk, assessment, score, store, user
from tests.admin.test_editing import save
from tests.admin.test_indexes import by_index, many_rows, plan_of, understood
from tests.assessments.sitters import Taker

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
async def owner(database: Database) -> User:
    one = user(name="Zoë")
    await store(database, one)
    return one


@pytest.fixture
def taker(database: Database, owner: User) -> Taker:
    return Taker(database, owner.id)


async def assessments_of(database: Database, sitting_id: str) -> list[Assessment]:
    async with database.reading() as session:
        statement = select(Assessment).where(Assessment.sitting_id == sitting_id).order_by(Assessment.id)
        return list(await session.scalars(statement))


async def sitting(database: Database, sitting_id: str) -> Sitting:
    async with database.reading() as session:
        return await session.get_one(Sitting, sitting_id)


async def count(database: Database, model: type[Base]) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


async def told(database: Database, event_type: str) -> list[str]:
    """The assessments that events of this type are about."""
    async with database.reading() as session:
        statement = select(DomainEvent.aggregate_id).where(DomainEvent.event_type == event_type)
        return list(await session.scalars(statement))


async def until_the_second_part(taker: Taker, sitting_id: str) -> None:
    while (await taker.now(sitting_id)).step == 1:
        await taker.step(sitting_id)


class TestMending:
    @pytest.mark.parametrize(("field", "value"), [("status", "completed"), ("component", "domain")])
    async def test_of_a_part_of_a_test_is_refused_at_its_field_and_stores_nothing(
        self, desk: Desk, database: Database, taker: Taker, field: str, value: str
    ) -> None:
        (before,) = await assessments_of(database, await taker.begin())
        path = f"assessments/{before.id}/edit"

        answer = await save(desk, await desk.get(path), path, **{field: value})

        assert answer.status == 422
        assert f'id="id_{field}_error"' in answer.html
        assert "This belongs to a test that somebody took: what was measured stays as it is." in answer.text
        (after,) = await assessments_of(database, str(before.sitting_id))
        assert (after.status, after.component, after.version) == ("in_progress", "fluency", before.version)
        assert not await told(database, "AssessmentUpdated")
        assert await count(database, Audit) == 0

    async def test_is_offered_only_where_there_is_something_to_mend(
        self, desk: Desk, database: Database, owner: User, taker: Taker
    ) -> None:
        (measured,) = await assessments_of(database, await taker.begin())
        free = assessment(owner)
        await store(database, free)

        pages = [await desk.get(f"assessments/{one.id}") for one in (measured, free)]

        assert [bool(page.links("Edit")) for page in pages] == [False, True]
        assert ["what was measured stays as it is" in page.text for page in pages] == [True, False]

    async def test_of_what_no_sitting_belongs_to_knows_abandoned_too(
        self, desk: Desk, database: Database, owner: User
    ) -> None:
        one = assessment(owner)
        await store(database, one)
        path = f"assessments/{one.id}/edit"

        answer = await save(desk, await desk.get(path), path, status="abandoned")

        assert answer.status == 302
        async with database.reading() as session:
            assert (await session.get_one(Assessment, one.id)).status == Status.ABANDONED


class TestDeletion:
    async def test_of_a_part_of_a_test_in_progress_abandons_the_test(
        self, desk: Desk, database: Database, taker: Taker
    ) -> None:
        sitting_id = await taker.begin()
        await until_the_second_part(taker, sitting_id)
        first, second = await assessments_of(database, sitting_id)

        await desk.send("assessments/delete", id=first.id, confirmed="1")

        (left,) = await assessments_of(database, sitting_id)
        assert (await sitting(database, sitting_id)).status == Status.ABANDONED
        assert (left.id, left.status) == (second.id, Status.ABANDONED)
        assert await told(database, "AssessmentDeleted") == [first.id]
        assert await told(database, "AssessmentAbandoned") == [second.id]
        again = await taker.begin()
        assert (await sitting(database, again)).status == Status.IN_PROGRESS

    async def test_of_the_part_in_progress_ends_it_first(self, desk: Desk, database: Database, taker: Taker) -> None:
        sitting_id = await taker.begin()
        (only,) = await assessments_of(database, sitting_id)

        await desk.send("assessments/delete", id=only.id, confirmed="1")

        assert (await sitting(database, sitting_id)).status == Status.ABANDONED
        assert await told(database, "AssessmentDeleted") == [only.id]
        assert await told(database, "AssessmentAbandoned") == [only.id]
        assert await count(database, Response) == 0

    async def test_of_parts_of_many_tests_abandons_those_alone(self, desk: Desk, database: Database) -> None:
        people = [user(number) for number in range(3)]
        await store(database, *people)
        begun = [await Taker(database, one.id).begin() for one in people]
        ids = [(await assessments_of(database, one))[0].id for one in begun[:2]]

        await desk.send("assessments/delete", id=ids, confirmed="2")

        statuses = [(await sitting(database, one)).status for one in begun]
        assert statuses == [Status.ABANDONED, Status.ABANDONED, Status.IN_PROGRESS]

    async def test_of_a_part_of_a_completed_test_leaves_test_and_score(
        self, desk: Desk, database: Database, taker: Taker
    ) -> None:
        sitting_id = await taker.begin()
        await taker.finish(sitting_id)
        first, *_ = await assessments_of(database, sitting_id)

        await desk.send("assessments/delete", id=first.id, confirmed="1")

        assert (await sitting(database, sitting_id)).status == Status.COMPLETED
        assert await count(database, AIRScore) == 1
        assert await told(database, "AssessmentAbandoned") == []

    async def test_in_the_moment_of_the_last_answer_of_a_part_leaves_no_test_that_cannot_end(
        self, desk: Desk, database: Database
    ) -> None:
        people = [user(number) for number in range(5)]
        await store(database, *people)
        takers = [Taker(database, one.id) for one in people]
        begun = [await one.begin() for one in takers]
        await until_the_second_part(takers[0], begun[0])
        for taker, sitting_id in zip(takers[1:], begun[1:], strict=True):  # all alike, but for the last answer
            for _ in range((await takers[0].now(begun[0])).answered - 1):
                await taker.step(sitting_id)
        firsts = [(await assessments_of(database, one))[0].id for one in begun]

        await asyncio.gather(
            *(taker.step(one) for taker, one in zip(takers[1:], begun[1:], strict=True)),
            *(desk.send("assessments/delete", id=key, confirmed="1") for key in firsts[1:]),
            return_exceptions=True,  # an answer may come too late
        )

        for sitting_id, first in zip(begun[1:], firsts[1:], strict=True):
            left = await assessments_of(database, sitting_id)
            assert first not in [one.id for one in left]
            assert {one.status for one in left} <= {Status.ABANDONED}
            assert (await sitting(database, sitting_id)).status == Status.ABANDONED

    async def test_is_not_done_by_half(
        self, desk: Desk, database: Database, taker: Taker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sitting_id = await taker.begin()
        (only,) = await assessments_of(database, sitting_id)

        async def broken(*_: object) -> int:
            raise RuntimeError("it went away")

        monkeypatch.setattr("assessments.services.abandon_sittings", broken)
        with pytest.raises(RuntimeError, match="it went away"):
            await desk.send("assessments/delete", id=only.id, confirmed="1")

        assert len(await assessments_of(database, sitting_id)) == 1
        assert (await sitting(database, sitting_id)).status == Status.IN_PROGRESS
        assert await told(database, "AssessmentDeleted") == []


class TestPreview:
    async def test_of_an_assessment_names_its_questions_and_what_becomes_of_the_test(
        self, desk: Desk, database: Database, taker: Taker
    ) -> None:
        (only,) = await assessments_of(database, sitting_id := await taker.begin())
        path = f"assessments/delete?id={only.id}"

        assert "1 asked question " in (await desk.get(path)).text
        await taker.step(sitting_id)
        page = await desk.get(path)

        assert "2 asked questions " in page.text
        assert "A test in progress that loses a part of it ends, unscored." in page.text

    async def test_of_a_person_names_all_that_goes_and_so_it_does(
        self, desk: Desk, database: Database, owner: User, taker: Taker
    ) -> None:
        await taker.finish(await taker.begin())
        await taker.begin(seed="another")
        asked = await count(database, Response)

        page = await desk.get(f"users/delete?id={owner.id}")
        await desk.send("users/delete", id=owner.id, confirmed="1")

        for line in ("2 tests", "4 assessments", f"{asked} asked questions", "1 score "):
            assert line in page.text
        owned = (User, Sitting, Assessment, Response, AIRScore)
        assert [await count(database, model) for model in owned] == [0] * 5

    async def test_of_one_test_speaks_of_one(self, desk: Desk, owner: User, taker: Taker) -> None:
        await taker.begin()

        page = await desk.get(f"users/delete?id={owner.id}")

        for line in ("1 test ", "1 assessment ", "1 asked question "):
            assert line in page.text


class TestWays:
    async def test_a_score_leads_to_its_assessments_and_back(
        self, desk: Desk, database: Database, owner: User, taker: Taker
    ) -> None:
        sitting_id = await taker.begin()
        await taker.finish(sitting_id)
        await store(database, assessment(owner), score(owner))
        parts = await assessments_of(database, sitting_id)
        async with database.reading() as session:
            of_sitting = await session.scalar(select(AIRScore.id).where(AIRScore.sitting_id == sitting_id))

        (there,) = (await desk.get(f"scores/{of_sitting}")).links("Assessments it came from")
        (back,) = (await desk.get(f"assessments/{parts[0].id}")).links("Its score")

        assert (await desk.get(there.removeprefix("/admin/"))).keys("assessments") == [one.id for one in parts][::-1]
        assert (await desk.get(back.removeprefix("/admin/"))).keys("scores") == [of_sitting]

    async def test_what_no_sitting_belongs_to_has_no_such_way(
        self, desk: Desk, database: Database, owner: User
    ) -> None:
        alone, untested = assessment(owner), score(owner)
        await store(database, alone, untested)

        shown = [await desk.get(f"assessments/{alone.id}"), await desk.get(f"scores/{untested.id}")]

        for page in shown:
            assert not page.links("Its score") + page.links("The whole sitting") + page.links("Assessments it came")
            assert page.links("Events about this")

    async def test_a_status_is_chosen_from_those_that_there_are(
        self, desk: Desk, database: Database, owner: User, taker: Taker
    ) -> None:
        sitting_id = await taker.begin()
        await taker.abandon(sitting_id)
        await store(database, assessment(owner))

        page = await desk.get("assessments?status=abandoned")

        assert page.keys("assessments") == [one.id for one in await assessments_of(database, sitting_id)]
        assert '<option value="in_progress">in progress</option>' in page.html

    async def test_the_id_of_a_sitting_finds_what_belongs_to_it(
        self, desk: Desk, database: Database, owner: User, taker: Taker
    ) -> None:
        sitting_id = await taker.begin()
        await taker.finish(sitting_id)
        await store(database, assessment(owner), score(owner))

        found = [(await desk.get(f"{name}?q={sitting_id}")).keys(name) for name in ("assessments", "scores")]

        assert [len(keys) for keys in found] == [3, 1]

    @pytest.mark.parametrize("name", ["assessments", "scores"])
    async def test_what_belongs_to_a_sitting_is_found_by_index(self, database: Database, name: str) -> None:
        await many_rows(database)

        async with database.reading() as session:
            where = query.clauses(site.get(name), understood(name, "sitting=0197f000-0000-7000-8000-000000000000"))
            plan = await plan_of(session, query.counted(site.get(name), *where))

        assert by_index(database, plan)
