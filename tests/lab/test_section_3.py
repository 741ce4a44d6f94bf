import tempfile
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from accounts.models import User
from accounts.services import create_user
from assessments.models import AIRScore
from outbox.models import DomainEvent
from qulab.db.engine import Database
from qulab.lab.models import Run
from qulab.lab.scratch import PREFIX
from tests.lab.conftest import Lab, text_of


@pytest.fixture
async def user(database: Database) -> User:
    async with database.writing() as session:
        return await create_user(session, email="ann@example.com", name="Ann")


async def scratch_left(database: Database) -> int:
    if database.dialect == "sqlite":
        return len(list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")))
    async with database.reading() as session:
        schemas = text("SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE :prefix")
        return await session.scalar(schemas, {"prefix": f"{PREFIX}%"}) or 0


class TestCompare:
    async def test_200_users_take_201_statements_lazily_and_2_eagerly(self, lab: Lab, database: Database) -> None:
        run = await lab.run("/lab/3/compare", users=200, scores_per_user=3, repeats=1)

        counts = {variant.name: variant.statements for variant in run.result.variants}
        assert counts == {"lazy": 201, "selectinload": 2, "joinedload": 1, "raiseload": 1}
        assert {variant.rows for variant in run.result.variants} == {600, 0}
        assert "lazy='raise" in run.result.of("raiseload").error
        assert run.result.of("raiseload").rows == 0

    async def test_each_repeat_is_in_the_spread(self, lab: Lab) -> None:
        run = await lab.run("/lab/3/compare", users=5, scores_per_user=1, repeats=4)

        for variant in run.result.variants:
            assert variant.time.n == 4
            assert 0 < variant.time.low <= variant.time.median <= variant.time.high

    async def test_groups_what_was_sent_by_its_text(self, lab: Lab) -> None:
        run = await lab.run("/lab/3/compare", users=30, scores_per_user=1, repeats=1)

        assert [group.count for group in run.result.of("lazy").groups] == [30, 1]

    async def test_touches_no_row_of_the_application_and_leaves_no_scratch(
        self, lab: Lab, database: Database, user: User
    ) -> None:
        before = await scratch_left(database)

        await lab.run("/lab/3/compare", users=10, scores_per_user=2, repeats=1)

        async with database.reading() as session:
            assert await session.scalar(select(func.count(User.id))) == 1
            assert await session.scalar(select(func.count(AIRScore.id))) == 0
        assert await scratch_left(database) == before

    @pytest.mark.parametrize(("guess", "told"), [("n1", "As you expected."), ("2", "You expected another number.")])
    async def test_remembers_what_was_expected(self, lab: Lab, guess: str, told: str) -> None:
        run = await lab.run("/lab/3/compare", users=2, scores_per_user=1, repeats=1, expected=guess)

        assert told in text_of(await lab.get(f"/lab/3?run={run.id}"))

    @pytest.mark.parametrize(
        ("field", "value"), [("users", 501), ("scores_per_user", 11), ("repeats", 6), ("users", "")]
    )
    async def test_out_of_bounds_is_told_at_the_field(self, lab: Lab, field: str, value: object) -> None:
        answer = await lab.send("/lab/3/compare", **{"users": 5, "scores_per_user": 1, "repeats": 1, field: value})

        assert answer.status_code == 422
        assert f'id="id_{field}_error"' in text_of(answer)


class TestOneUser:
    async def test_three_scores_come_with_their_events(self, lab: Lab, database: Database, user: User) -> None:
        run = await lab.run("/lab/3/scores", user=user.id)

        async with database.reading() as session:
            scores = (await session.scalars(select(AIRScore.id).where(AIRScore.user_id == user.id))).all()
            events = await session.scalars(select(DomainEvent).where(DomainEvent.aggregate_type == "AIRScore"))
        assert {score.id for score in run.result.scores} == set(scores)
        assert len(scores) == 3
        assert {event.aggregate_id for event in events} == set(scores)

    @pytest.mark.parametrize("how", ["lazy", "eager"])
    async def test_takes_two_statements_either_way(self, lab: Lab, user: User, how: str) -> None:
        await lab.run("/lab/3/scores", user=user.id)

        run = await lab.run(f"/lab/3/fetch/{how}", user_id=user.id)

        assert run.result.count == 2
        assert len(run.result.scores) == 3
        assert "1 + 1 is 2 either way" in text_of(await lab.get(f"/lab/3?run={run.id}"))

    @pytest.mark.parametrize("path", ["/lab/3/scores", "/lab/3/fetch/lazy", "/lab/3/fetch/eager"])
    async def test_an_unknown_id_is_told_at_its_field(
        self, lab: Lab, database: Database, user: User, path: str
    ) -> None:
        answer = await lab.send(path, user=user.id, user_id="nobody")

        page = text_of(answer)
        assert answer.status_code == 422
        assert 'id="id_user_id_error"' in page
        assert 'value="nobody"' in page
        async with database.reading() as session:
            assert await session.scalar(select(func.count(AIRScore.id))) == 0
            assert await session.scalar(select(func.count(Run.id))) == 0

    @pytest.mark.parametrize("fields", [{}, {"user": "made-up"}, {"user_id": "x" * 37}])
    async def test_no_user_or_a_made_up_one_is_refused(self, lab: Lab, user: User, fields: dict[str, str]) -> None:
        answer = await lab.send("/lab/3/fetch/eager", **fields)

        assert answer.status_code == 422
        assert 'class="errorlist"' in text_of(answer)
