import asyncio
import json

import pytest
from sqlalchemy import func, select

from accounts.models import User
from assessments.models import AIRScore
from assessments.services import add_sample_scores
from outbox.models import DomainEvent
from qulab.db.engine import Database
from qulab.lab.models import Run
from tests.lab.conftest import Lab, text_of


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


class TestLoad:
    async def test_uses_the_pool_that_serves_the_pages(self, lab: Lab, database: Database) -> None:
        run = await lab.run("/lab/2/load", requests=60, concurrency=40, work_ms=20)

        result, state = run.result, database.pool_state()
        assert (result.finished, result.asked) == (60, 60)
        assert not result.failures
        assert result.most == state.size + state.max_overflow
        assert state.size < result.peak <= result.most
        assert result.wait_p50 <= result.wait_p95 <= result.wait_max
        assert result.throughput == pytest.approx(60 / result.seconds)
        assert result.seconds >= 60 * 0.020 / result.most  # the work was done

    async def test_one_at_a_time_uses_one_connection(self, lab: Lab) -> None:
        run = await lab.run("/lab/2/load", requests=5, concurrency=1, work_ms=20)

        assert run.result.peak == 1

    async def test_the_pool_can_be_watched_meanwhile(self, lab: Lab) -> None:
        load = asyncio.create_task(lab.send("/lab/2/load", requests=200, concurrency=100, work_ms=50))
        seen = 0
        while not load.done():
            answer = await lab.get("/lab/2/pool.json")
            state = json.loads(answer.content)
            assert state["checked_out"] + state["available"] == state["most"]
            seen = max(seen, state["checked_out"])

        after = json.loads((await lab.get("/lab/2/pool.json")).content)
        assert load.result().status_code == 302
        assert seen > 10
        assert after["lent"] >= 200
        assert float(after["longest_wait"]) >= 50  # a hundred at once, thirty connections, 50 ms of work each

    async def test_a_second_load_is_refused_and_says_why(self, lab: Lab) -> None:
        answers = await asyncio.gather(
            *(lab.send("/lab/2/load", requests=50, concurrency=5, work_ms=20) for _ in range(2))
        )

        assert sorted(answer.status_code for answer in answers) == [302, 409]
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert "Another experiment is running in this process." in text_of(refused)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("requests", 501),
            ("requests", 0),
            ("requests", ""),
            ("concurrency", 101),
            ("concurrency", "many"),
            ("work_ms", 51),
            ("work_ms", -1),
        ],
    )
    async def test_out_of_bounds_is_told_at_the_field_and_nothing_runs(
        self, lab: Lab, database: Database, field: str, value: object
    ) -> None:
        answer = await lab.send("/lab/2/load", **{"requests": 10, "concurrency": 5, "work_ms": 0, field: value})

        assert answer.status_code == 422
        assert f'id="id_{field}_error"' in text_of(answer)
        async with database.reading() as session:
            assert await session.scalar(select(func.count(Run.id))) == 0


class TestForgottenAwait:
    async def test_shows_what_python_really_returned_and_said(self, lab: Lab) -> None:
        result = (await lab.run("/lab/2/await")).result

        assert result.returned.startswith("<coroutine object")
        assert "no attribute 'scalar_one'" in result.error
        assert result.warning.startswith("RuntimeWarning: coroutine")
        assert result.warning.endswith("was never awaited")
        assert result.value == 42
