from datetime import timedelta
from typing import Any

import pytest
from django.http import QueryDict
from sqlalchemy import Select, insert, text

from accounts.models import User
from assessments.models import AIRScore, Assessment
from outbox.models import DomainEvent
from qulab.admin import export, parts, query
from qulab.admin.asked import Asked, asked, form_for
from qulab.admin.cursor import encode
from qulab.admin.models import Audit
from qulab.admin.site import site
from qulab.db.base import new_id
from qulab.db.engine import Database
from qulab.db.session import Session
from qulab.lab.models import Run
from tests.admin.conftest import NOON

MANY = 3000  # so many that a planner weighs an index against the whole table
ORDERS = [
    ("users", ""),
    ("users", "sort=created"),
    ("users", "sort=name"),
    ("users", "sort=-email"),
    ("scores", ""),
    ("scores", "sort=-air_score"),
    ("assessments", ""),
    ("events", ""),
    ("events", "status=published"),
    ("runs", ""),
    ("runs", "status=done"),
    ("audit", ""),
]


class TestIndexes:
    """No order reads the whole table and sorts it, wherever in the list the page is."""

    async def test_an_order_is_read_from_its_index(self, database: Database) -> None:
        await many_rows(database)

        plans = {
            (name, params, place): await explain(database, name, params, place)
            for name, params in ORDERS
            for place in ("first", "after", "last")
        }

        assert {asked: plan for asked, plan in plans.items() if sorts_everything(database, plan)} == {}

    @pytest.mark.parametrize(("name", "params"), [("events", ""), ("events", "status=published"), ("runs", "")])
    async def test_a_tab_that_no_row_has_is_counted_from_its_index(
        self, database: Database, name: str, params: str
    ) -> None:
        await many_rows(database)
        there = {"published", "done", "failed"}  # of which PostgreSQL reads the first few where they lie

        async with database.reading() as session:
            counts = parts.counted(site.get(name), understood(name, params))
            rare = {tab: one.limit(query.MOST_COUNTED) for tab, one in counts.items() if tab and tab not in there}
            plans = {tab: await plan_of(session, one) for tab, one in rare.items()}

        assert plans
        assert {tab: plan for tab, plan in plans.items() if not by_index(database, plan)} == {}

    @pytest.mark.parametrize("params", ["list_name=users&row_id=u7", "actor=u7"])
    async def test_the_changes_of_a_row_and_those_by_a_person_are_found_by_index(
        self, database: Database, params: str
    ) -> None:
        await many_rows(database)

        async with database.reading() as session:
            where = query.clauses(site.get("audit"), understood("audit", params))
            plan = await plan_of(session, query.counted(site.get("audit"), *where))

        assert by_index(database, plan)

    async def test_rows_that_were_found_are_fetched_by_their_ids(self, database: Database) -> None:
        await many_rows(database)
        admin, question = site.get("users"), understood("users", "q=person&sort=name")

        async with database.reading() as session:
            matches = await query.matches(session, admin, question)
            assert matches is not None
            few = matches.ids("")[:100]
            plan = await plan_of(session, query.page_statement(admin, question, few))

        assert any("autoindex_users_1" in line or "pk_users" in line for line in plan)

    @pytest.mark.parametrize(
        ("name", "params"), [("users", ""), ("users", "sort=name"), ("events", "status=published")]
    )
    async def test_a_batch_of_an_export_is_read_from_the_index_of_its_order(
        self, database: Database, name: str, params: str
    ) -> None:
        await many_rows(database)
        admin, question = site.get(name), understood(name, params)
        where = query.clauses(admin, question)

        async with database.reading() as session:
            (row, *_) = (await query.fetch(session, admin, question)).found
            place = [getattr(row, key.key) for key in query.order_keys(admin, question)]
            plan = await plan_of(session, export.batch(admin, question, where, place).limit(50))

        assert not sorts_everything(database, plan)


def by_index(database: Database, plan: list[str]) -> bool:
    if database.dialect == "sqlite":
        return all(line.startswith("SEARCH") and "INDEX" in line for line in plan)
    return any("Index" in line for line in plan) and not any("Seq Scan" in line for line in plan)


def sorts_everything(database: Database, plan: list[str]) -> bool:
    if database.dialect == "sqlite":
        scans = any(line.startswith("SCAN") and "USING" not in line for line in plan)
        return scans or "USE TEMP B-TREE FOR ORDER BY" in plan
    # An incremental sort, which is none of these, orders only the rows of one moment among themselves.
    return any(line.strip(" ->").startswith(("Sort  (", "Seq Scan")) for line in plan)


async def many_rows(database: Database) -> None:
    owners: list[dict[str, Any]] = [
        {"id": new_id(), "email": f"user{n}@example.com", "name": f"Person {n % 99}"} for n in range(MANY)
    ]
    columns = ["vr_score", "hr_score", "synergy_score", "ci_lower", "ci_upper"]
    score = {"occupation_code": "15-1252", "parameter_version": "1", **dict.fromkeys(columns, 50.0)}
    event = {"event_type": "X", "aggregate_type": "User", "aggregate_id": "u", "payload": {}, "partition": 0}
    entry = {"via": "person", "action": "update", "list_name": "users"}
    published = {"status": "published", "published_at": NOON}
    rows: dict[Any, list[dict[str, Any]]] = {
        User: owners,
        AIRScore: [
            {"id": new_id(), "user_id": one["id"], "air_score": n % 71, **score} for n, one in enumerate(owners)
        ],
        Assessment: [{"id": new_id(), "user_id": one["id"], "component": "fluency"} for one in owners],
        DomainEvent: [
            {"id": new_id(), "created_at": NOON + timedelta(seconds=n), **event, **published} for n in range(MANY)
        ],
        Run: [{"id": new_id(), "experiment": "queries", "status": "done" if n % 9 else "failed"} for n in range(MANY)],
        Audit: [{"id": new_id(), **entry, "row_id": f"u{n}", "actor_id": f"u{n}"} for n in range(MANY)],
    }
    async with database.writing() as session:
        for model, values in rows.items():
            await session.execute(insert(model), values)
        await session.commit()
        await session.execute(text("ANALYZE"))
        await session.commit()


async def explain(database: Database, name: str, params: str, place: str) -> list[str]:
    """How the database answers the statement of a list page."""
    async with database.reading() as session:
        question = await at(session, name, params, place)
        return await plan_of(session, query.page_statement(site.get(name), question))


async def plan_of(session: Session, statement: Select[Any]) -> list[str]:
    bind = session.get_bind()
    sql = str(statement.compile(bind, compile_kwargs={"literal_binds": True}))
    command = "EXPLAIN QUERY PLAN" if bind.dialect.name == "sqlite" else "EXPLAIN"
    plan = await session.execute(text(f"{command} {sql}".replace(":", r"\:")))
    return [str(row[-1]) for row in plan]


async def at(session: Session, name: str, params: str, place: str) -> Asked:
    admin, question = site.get(name), understood(name, params)
    if place == "last":
        return understood(name, f"{params}&last=1")
    if place == "after":
        rows = await query.fetch(session, admin, question)
        return understood(name, f"{params}&after={encode(query.order_keys(admin, question), rows.found[-1])}")
    return question


def understood(name: str, params: str) -> Asked:
    data = QueryDict(params)
    form = form_for(site.get(name), data)
    assert form.is_valid()
    return asked(form, data)
