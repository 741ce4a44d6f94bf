import asyncio
import tempfile
from html import escape
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session as SyncSession
from sqlalchemy.orm import lazyload

from accounts.models import User
from accounts.services import create_user
from assessments.models import AIRScore
from outbox.models import DomainEvent
from qulab.db.engine import Database
from qulab.lab.benches.queries import groups, lazy_model, plots, verdict
from qulab.lab.experiments import Bench
from qulab.lab.experiments import queries as experiment
from qulab.lab.experiments.queries import QueriesResult, Variant
from qulab.lab.measure import spread
from qulab.lab.models import Run
from qulab.lab.plots import Bars
from qulab.lab.scratch import PREFIX
from tests.lab.conftest import Lab, text_of


@pytest.fixture
async def user(database: Database) -> User:
    async with database.writing() as session:
        return await create_user(session, email="ann@example.com", name="Ann")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where scratch files are made: here alone, since others may run experiments meanwhile."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def scratch_left(database: Database, folder: Path) -> int:
    if database.dialect == "sqlite":
        return len(list(folder.glob(f"{PREFIX}*")))
    async with database.reading() as session:
        schemas = text("SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE :prefix")
        return await session.scalar(schemas, {"prefix": f"{PREFIX}%"}) or 0


class TestExperiment:
    async def test_200_users_take_201_statements_lazily_and_2_eagerly(self, lab: Lab) -> None:
        run = await lab.experiment("queries", users=200, scores_per_user=3, repeats=1)

        counts = {variant.name: variant.statements for variant in run.result.variants}
        assert counts == {"lazy": 201, "selectinload": 2, "joinedload": 1, "raiseload": 1}
        assert {variant.rows for variant in run.result.variants} == {600, 0}
        assert "lazy='raise" in run.result.of("raiseload").error
        assert run.result.of("raiseload").rows == 0

    async def test_each_repeat_is_in_the_spread_and_among_the_samples(self, lab: Lab) -> None:
        run = await lab.experiment("queries", users=5, scores_per_user=1, repeats=4)

        for variant in run.result.variants:
            assert variant.time.n == 4
            assert 0 < variant.time.low <= variant.time.median <= variant.time.high
            readings = [sample for sample in run.samples if sample.series == variant.name]
            if variant.error:
                assert readings == []
            else:
                assert [sample.x for sample in readings] == [1, 2, 3, 4]
                assert {min(one.y for one in readings), max(one.y for one in readings)} == {
                    variant.time.low,
                    variant.time.high,
                }

    async def test_groups_what_was_sent_by_its_text_and_plans_each(self, lab: Lab, database: Database) -> None:
        run = await lab.experiment("queries", users=30, scores_per_user=1, repeats=1)

        assert [group.count for group in run.result.of("lazy").groups] == [30, 1]
        sent = {group.sql for variant in run.result.variants for group in variant.groups}
        assert {plan.sql for plan in run.result.plans} == sent
        assert all(plan.lines for plan in run.result.plans)
        many = next(one for one in groups(run.result) if one.count == 30)
        assert many.plan is not None
        assert any("air_scores" in step.text for step in many.plan.steps)
        page = text_of(await lab.get(f"/lab/3?run={run.id}"))
        assert "Statements by text" in page
        assert escape(many.plan.steps[0].text) in page

    async def test_touches_no_row_of_the_application_and_leaves_no_scratch(
        self, lab: Lab, database: Database, user: User, folder: Path
    ) -> None:
        await lab.experiment("queries", users=10, scores_per_user=2, repeats=1)

        async with database.reading() as session:
            assert await session.scalar(select(func.count(User.id))) == 1
            assert await session.scalar(select(func.count(AIRScore.id))) == 0
        assert await scratch_left(database, folder) == 0

    async def test_ends_within_a_second_of_a_cancellation_amid_the_lazy_loop(
        self, database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        touched: list[str] = []
        amid = asyncio.Event()

        def walk(session: SyncSession) -> int:
            for user in session.scalars(select(User).options(lazyload(User.scores))):
                touched.append(user.scores[0].id)
                if len(touched) == 5:
                    amid.set()
            return 0

        monkeypatch.setattr(experiment, "walk_lazily", walk)
        async with Bench(database) as bench:
            parameters = experiment.QueriesParameters(users=500, scores_per_user=1, repeats=1)
            running = asyncio.create_task(experiment.run(parameters, bench))
            await amid.wait()

            running.cancel()
            await asyncio.wait({running}, timeout=1)

        assert running.cancelled()
        assert 5 <= len(touched) < 500
        assert await scratch_left(database, folder) == 0
        assert database.pool_state().checked_out == 0

    @pytest.mark.parametrize("after_ms", [20, 60, 120, 200])
    async def test_ends_within_a_second_of_a_cancellation_at_any_time(
        self, database: Database, folder: Path, after_ms: int
    ) -> None:
        async with Bench(database) as bench:
            parameters = experiment.QueriesParameters(users=500, scores_per_user=10, repeats=5)
            running = asyncio.create_task(experiment.run(parameters, bench))
            await asyncio.wait({running}, timeout=after_ms / 1000)

            running.cancel()
            await asyncio.wait({running}, timeout=1)

        assert running.cancelled()
        assert await scratch_left(database, folder) == 0

    @pytest.mark.parametrize(("guess", "told"), [("n1", "As you expected:"), ("2", "You expected:")])
    async def test_judges_what_was_expected_by_what_was_counted(self, lab: Lab, guess: str, told: str) -> None:
        run = await lab.experiment("queries", users=3, scores_per_user=1, repeats=1, expected=guess)

        assert told in text_of(await lab.get(f"/lab/3?run={run.id}"))

    @pytest.mark.parametrize(
        ("field", "value"),
        [("users", 501), ("users", 0), ("scores_per_user", 11), ("repeats", 6), ("users", ""), ("users", "many")],
    )
    async def test_out_of_bounds_is_told_at_the_field(self, lab: Lab, field: str, value: object) -> None:
        fields = {"users": 5, "scores_per_user": 1, "repeats": 1, field: value}

        answer = await lab.send("/lab/runs/start/queries", **fields)

        assert answer.status_code == 422
        assert f'id="id_queries_{field}_error"' in text_of(answer)


def variant(name: str, statements: int, *milliseconds: float, error: str = "") -> Variant:
    return Variant(name, statements, spread(milliseconds), 0 if error else 600, [], [], error)


def result_of(users: int, lazy: int) -> QueriesResult:
    ways = [variant("lazy", lazy, 90, 100, 130), variant("selectinload", 2, 8, 10, 12)]
    return QueriesResult(users, 3, [*ways, variant("joinedload", 1, 20), variant("raiseload", 1, 1, error="refused")])


class TestWhatIsShown:
    @pytest.mark.parametrize(
        ("users", "lazy", "right"), [(200, 201, "n1"), (200, 200, "n"), (200, 2, "2"), (1, 2, "n1"), (200, 7, "")]
    )
    def test_the_prediction_is_judged_by_the_count(self, users: int, lazy: int, right: str) -> None:
        assert verdict(result_of(users, lazy)) == right

    def test_counts_come_first_then_medians_with_their_spread(self) -> None:
        statements, times, *_ = plots(result_of(199, 200), {})

        assert isinstance(statements, Bars)
        assert isinstance(times, Bars)
        assert [(bar.label, bar.value) for bar in statements.bars] == [
            ("lazy", 200),
            ("selectinload", 2),
            ("joinedload", 1),
        ]
        assert [(bar.value, bar.low, bar.high) for bar in times.bars][:2] == [(100, 90, 130), (10, 8, 12)]

    def test_the_model_goes_through_what_was_measured_and_on_from_there(self) -> None:
        plot = lazy_model(result_of(199, 200), users=399)

        model, measured, _ = plot.series
        (_, start), (end, at_end) = [(point.x, point.y) for point in model.points]
        assert model.model
        assert not measured.model
        assert (measured.points[0].x, measured.points[0].y) == (199, 100)
        assert start + 199 * (at_end - start) / end == pytest.approx(100)
        assert end == 399
        assert at_end == pytest.approx(200)

    def test_a_network_costs_each_way_as_often_as_it_sends(self) -> None:
        far = plots(result_of(199, 200), {"users": 199, "round_trip": 5})[-1]

        assert isinstance(far, Bars)
        assert far.name == "far"
        assert [bar.value for bar in far.bars] == [100 + 5 * 200, 10 + 5 * 2, 20 + 5]

    async def test_other_values_move_the_models_line_alone(self, lab: Lab) -> None:
        run = await lab.experiment("queries", users=3, scores_per_user=1, repeats=1)

        as_measured = text_of(await lab.get(f"/lab/runs/{run.id}"))
        asked = text_of(await lab.get(f"/lab/runs/{run.id}?users=1000&round_trip=20"))

        assert "The same, with the database further away" not in as_measured
        assert "The same, with the database further away" in asked
        assert "1000 users would take" in asked
        for refused in ("users=0&round_trip=1", "users=5001&round_trip=1", "users=1&round_trip=x"):
            page = await lab.get(f"/lab/runs/{run.id}?{refused}")
            assert page.status_code == 422
            assert "Enter a whole number" in text_of(page)


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
