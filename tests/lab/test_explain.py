"""Only what the lab has logged is explained, and a statement that is explained is never run."""

import hashlib
import re
from html import unescape
from typing import Any

import pytest
from django.core import signing
from django.http import HttpResponse
from sqlalchemy import func, select, text

from accounts.models import User
from accounts.services import create_user
from qulab.db.engine import Database
from qulab.lab.statements import tokens
from qulab.lab.statements.explain import Plan, explain
from qulab.lab.statements.tokens import Logged, TooOld, Unsigned, logged, token
from tests.admin.conftest import users
from tests.lab.conftest import Lab, text_of

PARAMETER = {"sqlite": "?", "postgresql": "$1::VARCHAR"}


def tokens_in(page: HttpResponse) -> list[str]:
    return re.findall(r'name="statement" value="([^"]+)"', text_of(page))


async def plan_of(database: Database, sql: str) -> Plan:
    async with database.reading() as session:
        return await explain(session, Logged(database.dialect, sql))


async def people(database: Database) -> int:
    async with database.reading() as session:
        return int(await session.scalar(select(func.count(User.id))) or 0)


class TestTokens:
    def test_come_back_as_they_went(self) -> None:
        statement = Logged("sqlite", "SELECT 'é' FROM users WHERE id = ?")

        assert logged(token(statement)) == statement

    @pytest.mark.parametrize("sql", ["COMMIT", "BEGIN IMMEDIATE", "EXPLAIN SELECT 1", "DROP TABLE users", "SELECTED"])
    def test_are_given_only_for_what_has_a_plan(self, sql: str) -> None:
        assert token(Logged("sqlite", sql)) == ""

    def test_are_not_given_where_they_would_make_too_long_an_address(self) -> None:
        noise = hashlib.shake_256(b"noise").hexdigest(10_000)

        assert token(Logged("sqlite", f"SELECT '{noise}'")) == ""

    def test_are_refused_when_a_letter_was_changed(self) -> None:
        good = token(Logged("sqlite", "SELECT 1"))

        for bad in (good[:-1] + ("A" if good[-1] != "A" else "B"), "x" + good, "", "SELECT 1"):
            with pytest.raises(Unsigned):
                logged(bad)

    def test_of_another_purpose_are_refused(self) -> None:
        with pytest.raises(Unsigned):
            logged(signing.dumps(["sqlite", "SELECT 1"], salt="something else"))

    def test_are_refused_when_they_are_old(self, monkeypatch: pytest.MonkeyPatch) -> None:
        old = token(Logged("sqlite", "SELECT 1"))
        monkeypatch.setattr(tokens, "MAX_AGE", -1)

        with pytest.raises(TooOld):
            logged(old)


class TestExplain:
    async def test_says_which_index_finds_a_row(self, database: Database) -> None:
        await users(database, 1000)  # of a table that is known to be small, PostgreSQL would rather read all
        async with database.writing() as session:
            await session.execute(text("ANALYZE users"))
            await session.commit()

        plan = await plan_of(database, f"SELECT * FROM users WHERE id = {PARAMETER[database.dialect]}")

        assert not plan.problem
        assert [(step.whole, "rows of users through the index" in step.text) for step in plan.steps] == [(False, True)]

    async def test_says_that_a_table_is_read_from_end_to_end(self, database: Database) -> None:
        plan = await plan_of(database, f"SELECT * FROM users WHERE lower(name) = {PARAMETER[database.dialect]}")

        assert [(step.text, step.whole) for step in plan.steps] == [("reads every row of users", True)]

    async def test_takes_what_is_quoted_for_no_parameter(self, database: Database) -> None:
        plan = await plan_of(database, "SELECT '? and $7' AS \"? $8\" FROM users")

        assert not plan.problem
        assert plan.lines

    @pytest.mark.parametrize(
        "sql",
        [
            "DELETE FROM users",
            "UPDATE users SET name = 'Nobody'",
            "INSERT INTO users SELECT 'x', 'x@example.com', 'X', NULL, now, now FROM "
            "(SELECT created_at AS now FROM users) u",
        ],
    )
    async def test_runs_nothing(self, database: Database, sql: str) -> None:
        async with database.writing() as session:
            await create_user(session, email="ann@example.com", name="Ann")

        await plan_of(database, sql)

        async with database.reading() as session:
            assert (await session.scalars(select(User.name))).all() == ["Ann"]

    async def test_of_a_write_has_a_plan_although_its_session_only_reads(self, database: Database) -> None:
        plan = await plan_of(database, f"DELETE FROM users WHERE id = {PARAMETER[database.dialect]}")

        assert not plan.problem
        assert plan.lines

    async def test_says_why_the_database_refuses(self, database: Database) -> None:
        plan = await plan_of(database, "SELECT * FROM nowhere")

        assert "nowhere" in plan.problem
        assert "<class" not in plan.problem
        assert not plan.lines

    async def test_of_another_kind_of_database_is_said_to_be_that(self, database: Database) -> None:
        other = "postgresql" if database.dialect == "sqlite" else "sqlite"

        async with database.reading() as session:
            plan = await explain(session, Logged(other, "SELECT 1"))

        assert "was written for" in plan.problem

    async def test_leaves_no_statement_prepared(self, database: Database) -> None:
        if database.dialect == "sqlite":
            pytest.skip("SQLite keeps none in its connections")
        async with database.reading() as session:
            for sql in ("SELECT * FROM users", "SELECT * FROM users WHERE name = $1::VARCHAR"):
                await explain(session, Logged("postgresql", sql))
            names = await session.scalars(text("SELECT name FROM pg_prepared_statements WHERE name LIKE 'explained%'"))

            assert names.all() == []

    async def test_gets_its_plan_on_the_connection_that_prepared_it(self, database: Database) -> None:
        async with database.reading() as one, database.reading() as other:  # so that the pool has two to lend
            await one.execute(text("SELECT 1"))
            await other.execute(text("SELECT 1"))

        plan = await plan_of(database, "SELECT * FROM users")

        assert not plan.problem
        assert plan.lines

    async def test_gives_postgresql_little_time(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        if database.dialect == "sqlite":
            pytest.skip("planning in SQLite has no timeout")
        monkeypatch.setattr("qulab.lab.statements.explain.TIMEOUT_MS", 1)
        wide = ", ".join(f"users u{number}" for number in range(60))

        plan = await plan_of(database, f"SELECT 1 FROM {wide}")

        assert "timeout" in plan.problem


class TestThePage:
    async def test_shows_the_plan_of_each_statement_of_each_section(self, lab: Lab) -> None:
        for section in (1, 3, 4, 5):
            found = tokens_in(await lab.get(f"/lab/{section}"))
            assert found
            for one in found:
                page = text_of(await lab.get(f"/lab/explain?statement={one}"))
                assert "plan-lines" in page, unescape(page)

    async def test_is_a_part_alone_where_htmx_asks(self, lab: Lab) -> None:
        (one, *_) = tokens_in(await lab.get("/lab/1"))

        part = text_of(await lab.get(f"/lab/explain?statement={one}", headers={"HX-Request": "true"}))

        assert "plan-lines" in part
        assert "<!doctype" not in part
        assert "<html" not in part

    @pytest.mark.parametrize("statement", ["", "SELECT 1", "a:b:c"])
    async def test_refuses_what_the_lab_has_not_logged(self, lab: Lab, statement: str) -> None:
        page = await lab.get(f"/lab/explain?statement={statement}")

        assert page.status_code == 400
        assert "Only logged ones are explained." in text_of(page)

    async def test_says_of_an_old_one_what_to_do(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        (one, *_) = tokens_in(await lab.get("/lab/1"))
        monkeypatch.setattr(tokens, "MAX_AGE", -1)

        page = await lab.get(f"/lab/explain?statement={one}")

        assert page.status_code == 400
        assert "Open its page again" in text_of(page)

    async def test_leads_htmx_to_the_page_that_says_why(self, lab: Lab) -> None:
        answer = await lab.get("/lab/explain?statement=old", headers={"HX-Request": "true"})

        assert (answer.status_code, answer["HX-Redirect"]) == (400, "/lab/explain?statement=old")

    async def test_is_not_stored_by_anybody(self, lab: Lab) -> None:
        (one, *_) = tokens_in(await lab.get("/lab/1"))

        assert "no-store" in (await lab.get(f"/lab/explain?statement={one}"))["Cache-Control"]

    async def test_says_in_words_what_failed(self, lab: Lab, database: Database) -> None:
        one = token(Logged(database.dialect, "SELECT * FROM nowhere"))

        page: Any = await lab.get(f"/lab/explain?statement={one}")

        assert page.status_code == 200
        assert "The database refuses to plan this" in text_of(page)
