import html
import re
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from accounts.models import User
from assessments.models import AIRScore
from assessments.services import add_sample_scores
from outbox.models import DomainEvent
from qulab.db.engine import Database, get_database
from qulab.lab.benches import pool
from qulab.lab.demonstrations.pool import MYPY_SAYS, SLIP
from qulab.lab.measure import Spread
from tests.lab.conftest import Lab, text_of

PROJECT = Path(__file__).resolve().parents[2]


def told(command: list[str]) -> str:
    """What a tool of this environment prints."""
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=PROJECT, capture_output=True, text=True, check=False
    ).stdout


class TestReset:
    async def test_asks_first_and_names_what_goes(self, lab: Lab, database: Database) -> None:
        async with database.writing() as session:
            user = User(email="gone@example.com", name="Soon Gone")
            session.add(user)
            await session.commit()
            await add_sample_scores(session, user_id=user.id)

        page = text_of(await lab.get("/lab/2/reset"))

        assert "Soon Gone" in page
        assert "3 rows" in page  # scores
        async with database.reading() as session:
            assert await session.scalar(select(func.count(AIRScore.id))) == 3

    async def test_leaves_the_two_sample_users_and_shows_their_ids(self, lab: Lab, database: Database) -> None:
        async with database.writing() as session:
            session.add(User(email="gone@example.com", name="Soon Gone"))
            await session.commit()

        run = await lab.run("/lab/2/reset")

        page = text_of(await lab.get(f"/lab/2?run={run.id}"))
        async with database.reading() as session:
            users = (await session.scalars(select(User))).all()
            events = await session.scalar(select(func.count(DomainEvent.id)))
        assert {user.name for user in users} == {"Alex Smith", "Jane Doe"}
        assert all(user.id in page for user in users)
        assert run.result.deleted["users"] == 1
        assert events == 2

    async def test_can_be_repeated(self, lab: Lab) -> None:
        first, second = await lab.run("/lab/2/reset"), await lab.run("/lab/2/reset")

        assert {user.id for user in first.result.users}.isdisjoint(user.id for user in second.result.users)


class TestPoolOfThisProcess:
    async def test_the_page_shows_it_with_a_seat_for_each_connection(self, lab: Lab, database: Database) -> None:
        page = text_of(await lab.get("/lab/2"))

        state = database.pool_state()
        most = state.size + state.max_overflow
        assert page.count('<rect class="seat') == most
        assert f"Available of {most}" in page
        assert "data-pool-longest_wait" in page


class TestForgottenAwait:
    def test_what_the_page_says_of_type_checker_and_linter_is_what_they_say(self, tmp_path: Path) -> None:
        file = tmp_path / "answer.py"
        file.write_text(SLIP)

        mypy = told(["mypy", "--strict", "--cache-dir", str(PROJECT / ".mypy_cache"), str(file)])
        ruff = told(["ruff", "check", "--isolated", "--select", "ALL", "--output-format", "concise", str(file)])

        assert tuple(line.partition("answer.py:")[2] for line in mypy.splitlines()[:2]) == MYPY_SAYS
        assert "await" not in ruff
        assert not re.search(r"answer\.py:[67]:", ruff)  # the lines at fault

    async def test_the_page_says_it_before_anything_ran(self, lab: Lab) -> None:
        page = html.unescape(re.sub("<[^>]+>", "", text_of(await lab.get("/lab/2"))))

        assert all(line in page for line in (*MYPY_SAYS, "result = session.execute(text("))

    async def test_shows_what_python_really_returned_and_said(self, lab: Lab) -> None:
        result = (await lab.run("/lab/2/await")).result

        assert result.returned.startswith("<coroutine object")
        assert "no attribute 'scalar_one'" in result.error
        assert result.warning.startswith("RuntimeWarning: coroutine")
        assert result.warning.endswith("was never awaited")
        assert result.value == 42


SWEEP = {"size": 2, "overflow": 0, "concurrency": 2, "requests": 4, "work_ms": 1, "repeats": 1, "each_time": "True"}


class TestSweep:
    async def test_shows_knee_line_and_formulas_with_the_measured_values(self, lab: Lab, sent: list[str]) -> None:
        run = await lab.experiment("pool-sweep", **SWEEP)

        page = text_of(await lab.get(f"/lab/2?run={run.id}"))
        assert [step.size for step in run.result.pool.steps] == [1, 2]
        assert "Why the knee is there" in page
        assert 'class="line c-app model"' in page
        assert page.count('id="plot-pool-') == 3
        assert f"{run.result.knee.throughput.median:.0f}" in page
        assert "what if" not in page

    async def test_other_values_move_the_models_line_alone(self, lab: Lab, sent: list[str]) -> None:
        run = await lab.experiment("pool-sweep", **SWEEP)

        page = text_of(await lab.get(f"/lab/runs/{run.id}?work_ms=50&concurrency=1"))

        measured = run.result.pool.steps[0].hold.median
        asked = pool.plots(run.result, {"work_ms": 50, "concurrency": 1})[0].series[-1]  # type: ignore[union-attr]
        assert 'class="line c-event model"' in page
        assert [point.y for point in asked.points] == [pytest.approx(1000 / (measured + 49))] * 2
        assert asked.model

    async def test_other_values_out_of_bounds_are_told_at_the_field(self, lab: Lab, sent: list[str]) -> None:
        run = await lab.experiment("pool-sweep", **SWEEP)

        answer = await lab.get(f"/lab/runs/{run.id}?work_ms=101&concurrency=")

        assert answer.status_code == 422
        assert all(f'id="id_{name}_error"' in text_of(answer) for name in ("work_ms", "concurrency"))
        assert 'class="line c-event model"' not in text_of(answer)

    @pytest.mark.parametrize(
        ("field", "value"),
        [("size", 33), ("overflow", -1), ("concurrency", 0), ("requests", ""), ("work_ms", 21), ("each_time", "maybe")],
    )
    async def test_out_of_bounds_is_told_at_the_field_and_nothing_is_asked_for(
        self, lab: Lab, sent: list[str], field: str, value: object
    ) -> None:
        answer = await lab.send(
            "/lab/runs/start/pool-sweep", **{**SWEEP, field: value}, database=get_database().dialect
        )

        assert answer.status_code == 422
        assert f'id="id_pool-sweep_{field}_error"' in text_of(answer)
        assert not sent

    @pytest.mark.parametrize(
        ("concurrency", "throughputs", "words"),
        [
            (2, [100.0, 200.0], "The knee is at 2, where up to 2 connections serve 2 requests at the same time"),
            (8, [100.0, 101.0], "The knee is at 1, although 8 requests ask."),
            (8, [100.0, 200.0], "Throughput still grows at the largest pool, 2: the knee lies beyond."),
        ],
    )
    async def test_says_why_the_knee_is_there_by_what_was_measured(
        self, lab: Lab, sent: list[str], concurrency: int, throughputs: list[float], words: str
    ) -> None:
        result = (await lab.experiment("pool-sweep", **SWEEP)).result
        steps = [
            replace(step, throughput=Spread(rate, rate, rate, 1))
            for step, rate in zip(result.pool.steps, throughputs, strict=True)
        ]

        told = pool.why(replace(result, concurrency=concurrency, ways=[replace(result.pool, steps=steps)]))

        assert told[0].startswith(words)
