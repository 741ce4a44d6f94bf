from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, text

from accounts.models import User
from accounts.repositories import UserRepository
from assessments.models import AIRScore
from outbox.models import DomainEvent
from qulab.db.base import Base
from qulab.db.bulk import Columns, insert_columns
from qulab.db.engine import Database
from qulab.db.errors import Conflict, ReadOnlySession

USERS, SCORES, EVENTS = (Base.metadata.tables[model.__tablename__] for model in (User, AIRScore, DomainEvent))
PARTS = ("air_score", "vr_score", "hr_score", "synergy_score", "ci_lower", "ci_upper")
NOON = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)


def people(*numbers: int, **more: Sequence[Any]) -> Columns:
    return {
        "id": [f"u{n}" for n in numbers],
        "email": [f"{n}@example.com" for n in numbers],
        "name": ["é"] * len(numbers),
        **more,
    }


async def insert(database: Database, table: Any, *parts: Columns) -> int:
    async with database.writing() as session:
        count = await insert_columns(session, table, parts)
        await session.commit()
        return count


async def raw(database: Database, statement: str) -> Sequence[Any]:
    async with database.engine.connect() as connection:
        return (await connection.execute(text(statement))).all()


class TestInsertColumns:
    async def test_what_it_stores_comes_back_through_the_orm(self, database: Database) -> None:
        east = NOON.astimezone(timezone(timedelta(hours=5)))
        await insert(database, USERS, people(1, 2, years_experience=[None, 2.5], created_at=[NOON, east]))
        score = {name: [1 / 3] for name in PARTS}
        metadata = {"θ": 0.1, "list": [1, None, "'\\\""], "nested": {"clipped": True}}
        names = {"id": ["s"], "user_id": ["u1"], "occupation_code": ["15-1252"], "parameter_version": ["x"]}
        await insert(database, SCORES, {**score, **names, "calculation_metadata": [metadata]})

        async with database.reading() as session:
            first, second = (await session.scalars(select(User).order_by(User.id))).all()
            stored = (await session.scalars(select(AIRScore))).one()

        assert (first.name, first.years_experience, second.years_experience) == ("é", None, 2.5)
        assert first.created_at == second.created_at == NOON
        assert first.created_at.tzinfo is not None
        assert stored.calculation_metadata == metadata
        assert stored.air_score == 1 / 3

    @pytest.mark.parametrize("moment", [NOON, NOON.replace(microsecond=0)])
    async def test_an_array_of_moments_is_stored_as_the_orm_stores_them(
        self, database: Database, moment: datetime
    ) -> None:
        array = np.array([moment.replace(tzinfo=None)], dtype="datetime64[us]")
        await insert(database, USERS, people(1, created_at=array, updated_at=[moment]))
        async with database.writing() as session:
            session.add(User(id="u2", email="2@example.com", name="é", created_at=moment, updated_at=moment))
            await session.commit()

        assert (
            len(set(await raw(database, "SELECT CAST(created_at AS text), CAST(updated_at AS text) FROM users"))) == 1
        )
        assert await raw(database, "SELECT id FROM users WHERE created_at = updated_at ORDER BY id") == [
            ("u1",),
            ("u2",),
        ]

    async def test_columns_that_are_not_given_get_their_defaults(self, database: Database) -> None:
        names = {"id": ["e1", "e2"], "event_type": ["T"] * 2, "aggregate_type": ["A"] * 2, "aggregate_id": ["a", "b"]}
        await insert(database, EVENTS, {**names, "payload": [{"n": 1}, None], "partition": [0, 1]})

        async with database.reading() as session:
            events = (await session.scalars(select(DomainEvent).order_by(DomainEvent.seq))).all()

        assert [(event.id, event.status, event.attempts, event.headers) for event in events] == [
            ("e1", "pending", 0, {}),
            ("e2", "pending", 0, {}),
        ]
        assert events[0].seq < events[1].seq
        assert (events[0].payload, events[1].payload) == ({"n": 1}, None)
        assert events[0].created_at.tzinfo is not None
        assert events[0].published_at is None

    async def test_parts_are_one_write_in_their_order(self, database: Database) -> None:
        assert await insert(database, USERS, people(1, 2), people(3)) == 3
        assert await insert(database, USERS) == 0

    async def test_stores_nothing_without_a_commit_also_as_the_first_statement(self, database: Database) -> None:
        async with database.writing() as session:
            await insert_columns(session, USERS, [people(1)])

        assert await raw(database, "SELECT count(*) FROM users") == [(0,)]

    async def test_is_part_of_the_sessions_transaction(self, database: Database) -> None:
        async with database.writing() as session:
            session.add(User(id="parent", email="parent@example.com", name="P"))
            await insert_columns(session, USERS, [people(1)])
            assert await UserRepository(session).count() == 2

        assert await raw(database, "SELECT count(*) FROM users") == [(0,)]

    @pytest.mark.parametrize(
        ("parts", "field"),
        [
            ([people(1), {**people(2), "id": ["u1"]}], "id"),
            ([people(1), {**people(2), "email": ["1@example.com"]}], "email"),
        ],
    )
    async def test_a_refused_row_is_a_conflict_and_nothing_of_the_rest_stays(
        self, database: Database, parts: list[Columns], field: str
    ) -> None:
        with pytest.raises(Conflict) as caught:
            await insert(database, USERS, *parts)

        assert caught.value.field == field
        assert await raw(database, "SELECT count(*) FROM users") == [(0,)]

    async def test_a_row_without_its_parent_or_a_needed_value_is_a_conflict(self, database: Database) -> None:
        orphan = {"id": ["a"], "user_id": ["nobody"], "component": ["fluency"]}
        with pytest.raises(Conflict):
            await insert(database, Base.metadata.tables["assessments"], orphan)
        with pytest.raises(Conflict):
            await insert(database, USERS, {**people(1), "email": [None]})

    async def test_a_read_session_refuses(self, database: Database) -> None:
        async with database.reading() as session:
            with pytest.raises(ReadOnlySession):
                await insert_columns(session, USERS, [people(1)])

    @pytest.mark.parametrize(
        ("parts", "says"),
        [
            ([{**people(1, 2), "name": ["one"]}], "one length"),
            ([people(1, surname=["x"])], "no columns of users: surname"),
            ([people(1), people(2, years_experience=[1.0])], "different columns"),
        ],
    )
    async def test_columns_that_do_not_fit_are_refused(
        self, database: Database, parts: list[Columns], says: str
    ) -> None:
        with pytest.raises(ValueError, match=says):
            await insert(database, USERS, *parts)

    async def test_a_naive_datetime_is_refused(self, database: Database) -> None:
        with pytest.raises(ValueError, match="time zone"):
            await insert(database, USERS, people(1, created_at=[NOON.replace(tzinfo=None)]))
