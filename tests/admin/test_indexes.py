from datetime import timedelta
from typing import Any

from django.http import QueryDict
from sqlalchemy import insert, text

from accounts.models import User
from assessments.models import AIRScore, Assessment
from outbox.models import DomainEvent
from qulab.admin import query
from qulab.admin.asked import Asked, asked, form_for
from qulab.admin.cursor import encode
from qulab.admin.site import site
from qulab.db.base import new_id
from qulab.db.engine import Database
from qulab.db.session import Session
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
        statement = query.page_statement(site.get(name), question)
        sql = str(statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))
        command = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
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
