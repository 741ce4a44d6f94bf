import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from django.conf import settings
from redis.asyncio import Redis
from sqlalchemy import delete, func, select, text

from accounts.models import User
from accounts.services import create_user
from assessments import seeding
from assessments.cached import CachedAIRScoreRepository
from assessments.models import AIRScore, Assessment
from assessments.population import MOST_USERS, Block
from assessments.scoring import recalculate
from assessments.seeding import EmailTaken, Seeded, SeededMeanwhile, SeedParameters, seed
from assessments.services import calculate_and_store_airscore
from assessments.turns import Turn
from outbox.models import DomainEvent
from outbox.positions import partition_of
from outbox.relay import Relay
from qulab.cache.read_through import Cache
from qulab.db.base import Base
from qulab.db.engine import Database

pytestmark = pytest.mark.usefixtures("small_blocks")

Rows = dict[str, Sequence[Any]]


def people(users: int, scores: int = 2, **more: Any) -> SeedParameters:
    return SeedParameters(users=users, scores_per_user=scores, **more)


async def rows(database: Database) -> Rows:
    """All that seeding writes, without the times of events: those are the run's own."""
    async with database.engine.connect() as connection:
        return {
            "users": (await connection.execute(text("SELECT * FROM users ORDER BY id"))).all(),
            "assessments": (await connection.execute(text("SELECT * FROM assessments ORDER BY id"))).all(),
            "scores": [
                tuple(map(str, row))
                for row in await connection.execute(select(Base.metadata.tables["air_scores"]).order_by(text("id")))
            ],
            "events": [
                tuple(map(str, row))
                for row in await connection.execute(
                    text("SELECT id, aggregate_id, payload, partition, status FROM domain_events ORDER BY id")
                )
            ],
        }


async def emptied(database: Database) -> None:
    async with database.writing() as session:
        for model in (User, DomainEvent):
            await session.execute(delete(model))
        await session.commit()


async def undisturbed(database: Database, parameters: SeedParameters) -> Rows:
    """What a run from nothing to the end leaves; the database is empty afterwards."""
    await seed(database, parameters)
    found = await rows(database)
    await emptied(database)
    return found


async def count(database: Database, model: type[Base]) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


class TestSeed:
    async def test_the_same_seed_gives_the_same_rows_and_another_gives_others(self, database: Database) -> None:
        once = await undisturbed(database, people(50))
        again = await undisturbed(database, people(50))
        other = await undisturbed(database, people(50, seed=2))

        assert once == again
        assert len(once["users"]) == 50
        assert len(once["scores"]) == 100
        assert not {row[0] for row in once["users"]} & {row[0] for row in other["users"]}

    async def test_two_seeds_live_beside_each_other(self, database: Database) -> None:
        await seed(database, people(30))
        added = await seed(database, people(30, seed=2))

        assert (added.users, added.scores) == (30, 60)

    async def test_a_second_run_adds_nothing(self, database: Database) -> None:
        first = await seed(database, people(50, events=True))
        before = await rows(database)
        second = await seed(database, people(50, events=True))

        assert (first.users, first.scores, first.events) == (50, 100, 100)
        assert second.rows == 0
        assert await rows(database) == before

    @pytest.mark.parametrize("first", [(13, 2), (50, 1), (25, 0), (70, 3)])
    async def test_larger_numbers_add_what_is_missing(self, database: Database, first: tuple[int, int]) -> None:
        both = people(max(50, first[0]), max(3, first[1]))
        expected = await undisturbed(database, both)
        before = await seed(database, people(*first))
        after = await seed(database, both)

        assert await rows(database) == expected
        assert before.scores + after.scores == len(expected["scores"])

    async def test_people_that_were_deleted_come_back_and_a_changed_one_stays_changed(self, database: Database) -> None:
        expected = await undisturbed(database, people(30))
        await seed(database, people(30))
        ids = Block(1, 0, 20).user_ids
        async with database.writing() as session:
            await session.execute(delete(User).where(User.id.in_(ids[3:9])))
            (await session.get_one(User, ids[10])).name = "Renamed"
            await session.commit()
        added = await seed(database, people(30))

        found = await rows(database)
        assert added.users == 6
        assert found["scores"] == expected["scores"]
        assert [row[0] for row in found["users"]] == [row[0] for row in expected["users"]]
        assert "Renamed" in [row for user in found["users"] for row in user]

    @pytest.mark.parametrize("moment", ["half-way", "committed"])
    async def test_a_killed_run_goes_on_to_what_an_undisturbed_one_leaves(
        self, database: Database, moment: str
    ) -> None:
        expected = await undisturbed(database, people(70))
        url = database.url.render_as_string(hide_password=False)
        command = [sys.executable, "-m", "tests.seeding.dying", url, "70", "2", moment]
        process = await asyncio.create_subprocess_exec(*command, env=os.environ)

        assert await process.wait() == -signal.SIGKILL
        assert await count(database, User) == {"half-way": 20, "committed": 40}[moment]
        await seed(database, people(70))
        assert await rows(database) == expected

    async def test_a_cancelled_run_leaves_whole_blocks_and_goes_on(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = await undisturbed(database, people(70))
        insert, calls = seeding.insert_columns, []

        async def interrupted(session: Any, table: Any, parts: Any) -> int:
            calls.append(table.name)
            if table.name == "air_scores" and calls.count("air_scores") == 3:
                asyncio.current_task().cancel()  # type: ignore[union-attr]
            return await insert(session, table, parts)

        monkeypatch.setattr(seeding, "insert_columns", interrupted)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(seed(database, people(70)))

        assert await count(database, User) == 40
        assert await count(database, AIRScore) == 80
        assert database.pool_state().checked_out == 0
        await seed(database, people(70))
        assert await rows(database) == expected

    async def test_each_of_1000_stored_scores_is_what_its_metadata_gives(self, database: Database) -> None:
        await seed(database, people(1_000, 1))

        async with database.reading() as session:
            scores = (await session.scalars(select(AIRScore))).all()
        for stored in scores:
            again = recalculate(stored.calculation_metadata)
            assert stored.calculation_metadata == again.metadata
            assert (stored.air_score, stored.vr_score, stored.hr_score) == (again.air, again.vr, again.hr)
            assert (stored.ci_lower, stored.ci_upper) == (again.ci_lower, again.ci_upper)
            assert (stored.synergy_score, stored.parameter_version) == (
                again.synergy,
                again.metadata["parameter_version"],
            )
        assert len(scores) == len({stored.user_id for stored in scores}) == 1_000
        assert len({stored.air_score for stored in scores}) > 900

    async def test_each_person_has_their_scores_after_they_joined(self, database: Database) -> None:
        await seed(database, people(30, 3))

        async with database.reading() as session:
            joined = dict((await session.execute(select(User.id, User.created_at))).tuples().all())
            found = (await session.execute(select(AIRScore.user_id, AIRScore.created_at))).all()
        assert all(created_at > joined[user_id] for user_id, created_at in found)
        assert [sum(user_id == one for user_id, _ in found) for one in joined] == [3] * 30

    async def test_each_score_has_its_completed_assessments(self, database: Database) -> None:
        added = await seed(database, people(30, 2))

        async with database.reading() as session:
            assessments = {row.id: row for row in (await session.scalars(select(Assessment))).all()}
            scores = (await session.scalars(select(AIRScore))).all()
        named = set()
        for score in scores:
            for component, answers in score.calculation_metadata["answers"].items():
                row = assessments[answers["assessment_id"]]
                assert (row.user_id, row.component, row.status) == (score.user_id, component, "completed")
                assert (row.items_administered, row.sitting_id) == (len(answers["items"]), None)
                named.add(row.id)
        assert len(named) == 30 * 2 * 3
        assert added.assessments == len(assessments) > len(named)
        assert {row.status for id_, row in assessments.items() if id_ not in named} == {"completed", "in_progress"}

    async def test_simulates_no_test_of_what_is_there(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await seed(database, people(30, events=True))
        monkeypatch.delattr(Turn, "test")

        assert (await seed(database, people(30, events=True))).rows == 0

    async def test_an_address_that_another_user_has_is_named_and_its_block_left_out(self, database: Database) -> None:
        email = Block(1, 1, 20).emails[7]
        async with database.writing() as session:
            await create_user(session, email=email, name="Somebody Else")

        with pytest.raises(EmailTaken, match=email):
            await seed(database, people(70))

        assert await count(database, User) == 20 + 1
        assert await count(database, AIRScore) == 40

    async def test_a_run_that_meets_another_says_to_run_it_again(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await seed(database, people(20))

        async def looked_before(*_arguments: Any, **_options: Any) -> seeding.There:
            return seeding.NOTHING

        monkeypatch.setattr(seeding, "_look", looked_before)
        with pytest.raises(SeededMeanwhile, match="Run it again"):
            await seed(database, people(20))

    async def test_progress_goes_from_nothing_to_all(self, database: Database) -> None:
        told: list[tuple[int, int]] = []
        await seed(database, people(50, 0), lambda done, total: told.append((done, total)))

        assert told == [(0, 50), (20, 50), (40, 50), (50, 50)]

    @pytest.mark.parametrize("wrong", [{"users": -1}, {"users": MOST_USERS + 1}, {"scores": -1}, {"seed": -1}])
    async def test_refuses_parameters_out_of_bounds(self, database: Database, wrong: dict[str, int]) -> None:
        with pytest.raises(msgspec.ValidationError):
            await seed(database, people(**{"users": 1, **wrong}))

    async def test_no_people_is_nothing(self, database: Database) -> None:
        assert (await seed(database, people(0))).rows == 0

    async def test_a_cached_latest_score_is_forgotten_when_a_later_one_is_added(
        self, database: Database, cache: Cache
    ) -> None:
        await seed(database, people(5, 1))
        user_id = Block(1, 0, 5).user_ids[0]
        cached = CachedAIRScoreRepository(database, cache)
        first = await cached.get_latest_score_cached(user_id)

        await seed(database, people(5, 2))

        second = await cached.get_latest_score_cached(user_id)
        assert first is not None
        assert second is not None
        assert second.id == Turn(Block(1, 0, 5), 1).ids[0] != first.id


class TestEvents:
    async def test_are_not_written_unless_asked_for(self, database: Database) -> None:
        assert (await seed(database, people(5))).events == 0
        assert await count(database, DomainEvent) == 0

    async def test_are_added_to_scores_that_have_none(self, database: Database) -> None:
        expected = await undisturbed(database, people(50, events=True))
        await seed(database, people(30, 1))
        first = await seed(database, people(30, 2, events=True))
        second = await seed(database, people(50, 2, events=True))

        assert (first.events, second.events) == (60, 40)
        assert await rows(database) == expected

    async def test_are_what_the_service_records(self, database: Database) -> None:
        await seed(database, people(1, 1, events=True))
        async with database.writing() as session:
            user = (await session.scalars(select(User))).one()
            _, recorded = await calculate_and_store_airscore(session, user_id=user.id, occupation_code="15-1252")
        async with database.reading() as session:
            seeded = (await session.scalars(select(DomainEvent).where(DomainEvent.id != recorded.id))).one()
            recorded = await session.get_one(DomainEvent, recorded.id)
        score_id = Turn(Block(1, 0, 1), 0).ids[0]

        same = ("event_type", "aggregate_type", "status", "schema_version", "attempts", "published_at")
        assert seeded.headers == {}  # no trace led to it, and the same seed gives the same rows
        assert [getattr(seeded, name) for name in same] == [getattr(recorded, name) for name in same]
        assert {name: type(value) for name, value in seeded.payload.items()} == {
            name: type(value) for name, value in recorded.payload.items()
        }
        assert seeded.partition == partition_of("AIRScore", score_id, settings.OUTBOX_PARTITIONS)
        assert seeded.aggregate_id == seeded.payload["air_score_id"] == score_id
        assert abs((seeded.created_at - recorded.created_at).total_seconds()) < 60

    async def test_are_published_by_the_relay(self, database: Database, streams_client: Redis) -> None:
        await seed(database, people(30, 2, events=True))

        assert (await Relay(database, streams_client).drain()).published == 60
        assert await streams_client.xlen("events:AIRScore") == 60


def test_a_result_counts_its_rows() -> None:
    assert Seeded(users=1, assessments=2, scores=3, events=4, seconds=2.0).rows_per_second == 5
