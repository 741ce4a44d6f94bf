"""The reference guide names these tables, columns, lengths, keys, cascades and indexes; ours may only add to them."""

from typing import Any

import pytest
from sqlalchemy import JSON, Connection, DateTime, Float, Integer, String, inspect
from sqlalchemy.orm import configure_mappers

from accounts.models import User
from assessments.models import AIRScore, Assessment
from outbox.models import DomainEvent
from qulab.db.base import Base
from qulab.db.engine import Database

STAMPS = {"created_at": (DateTime, None, False), "updated_at": (DateTime, None, False)}
GUIDE: dict[str, dict[str, tuple[type[Any], int | None, bool]]] = {
    "users": {
        "id": (String, 36, False),
        "email": (String, 255, False),
        "name": (String, 255, False),
        "occupation_code": (String, 20, True),
        "education_level": (String, 50, True),
        "years_experience": (Float, None, True),
        **STAMPS,
    },
    "assessments": {
        "id": (String, 36, False),
        "user_id": (String, 36, False),
        "status": (String, 20, False),
        "component": (String, 50, False),
        "current_ability": (Float, None, False),
        "items_administered": (Integer, None, False),
        **STAMPS,
    },
    "air_scores": {
        "id": (String, 36, False),
        "user_id": (String, 36, False),
        "occupation_code": (String, 20, False),
        **dict.fromkeys(
            ("air_score", "vr_score", "hr_score", "synergy_score", "ci_lower", "ci_upper"), (Float, None, False)
        ),
        "parameter_version": (String, 20, False),
        "calculation_metadata": (JSON, None, False),
        **STAMPS,
    },
    "domain_events": {
        "id": (String, 36, False),
        "event_type": (String, 100, False),
        "aggregate_type": (String, 100, False),
        "aggregate_id": (String, 36, False),
        "payload": (JSON, None, False),
        "status": (String, 20, False),
        "published_at": (DateTime, None, True),
        **STAMPS,
    },
}
INDEXES = {
    "users": {("ix_users_email", ("email",), True)},
    "assessments": {("ix_assessments_user_id", ("user_id",), False)},
    "air_scores": {("ix_air_scores_user_id", ("user_id",), False)},
    "domain_events": {
        ("ix_domain_events_event_type", ("event_type",), False),
        ("ix_domain_events_aggregate_id", ("aggregate_id",), False),
        ("ix_events_status_created", ("status", "created_at"), False),
    },
}


async def stored(database: Database, read: Any) -> Any:
    async with database.engine.connect() as connection:
        return await connection.run_sync(read)


class TestSchema:
    @pytest.mark.parametrize("table", GUIDE)
    async def test_the_database_has_the_columns_of_the_guide(self, database: Database, table: str) -> None:
        def columns(connection: Connection) -> dict[str, Any]:
            return {column["name"]: column for column in inspect(connection).get_columns(table)}

        found = await stored(database, columns)
        for name, (kind, length, nullable) in GUIDE[table].items():
            column = found[name]
            assert isinstance(column["type"], kind), name
            assert getattr(column["type"], "length", None) == length or kind is not String, name
            assert column["nullable"] is nullable, name

    @pytest.mark.parametrize("table", INDEXES)
    async def test_the_database_has_the_indexes_of_the_guide(self, database: Database, table: str) -> None:
        def indexes(connection: Connection) -> set[tuple[str | None, tuple[str | None, ...], bool]]:
            found = inspect(connection).get_indexes(table)
            return {(one["name"], tuple(one["column_names"]), bool(one["unique"])) for one in found}

        assert await stored(database, indexes) >= INDEXES[table]

    @pytest.mark.parametrize("table", ["assessments", "air_scores"])
    async def test_what_belongs_to_a_user_goes_with_the_user(self, database: Database, table: str) -> None:
        def keys(connection: Connection) -> Any:
            found = inspect(connection).get_foreign_keys(table)
            return [key for key in found if key["referred_table"] == "users"]

        (key,) = await stored(database, keys)
        assert (key["referred_table"], key["constrained_columns"]) == ("users", ["user_id"])
        assert key["options"]["ondelete"] == "CASCADE"


class TestModels:
    def test_no_relationship_loads_by_itself(self) -> None:
        configure_mappers()
        relationships = [one for mapper in Base.registry.mappers for one in mapper.relationships]

        assert relationships
        assert {one.lazy for one in relationships} == {"raise"}

    def test_children_are_deleted_with_their_parent(self) -> None:
        for name in ("assessments", "scores"):
            cascade = User.__mapper__.relationships[name].cascade
            assert cascade.delete
            assert cascade.delete_orphan

    def test_defaults_are_those_of_the_guide(self) -> None:
        defaults = {
            (Assessment, "status"): "in_progress",
            (Assessment, "current_ability"): 0.0,
            (Assessment, "items_administered"): 0,
            (DomainEvent, "status"): "pending",
        }
        for (model, column), value in defaults.items():
            assert model.__table__.c[column].default.arg == value
        assert AIRScore.__table__.c.calculation_metadata.default.arg(None) == {}

    def test_every_constraint_has_a_name(self) -> None:
        unnamed = [
            constraint
            for table in Base.metadata.tables.values()
            for constraint in table.constraints
            if constraint.name is None
        ]
        assert unnamed == []
