"""A probe counts what its own code sends, and knows the line that sent it."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from accounts.models import User
from accounts.repositories import UserRepository
from accounts.services import create_user
from assessments.models import AIRScore
from qulab.db.engine import Database, create_database
from qulab.db.errors import NotFound
from qulab.db.lines import ROOT, Line, _path
from qulab.db.probe import Probe, probe
from qulab.db.session import Session
from qulab.lab.demonstrations.queries import fetch_lazily

from ..budgets.statements import at_most

SELECT = text("SELECT 1")


async def select(database: Database, times: int = 1) -> None:
    async with database.reading() as session:
        for _ in range(times):
            await session.execute(SELECT)


class TestProbe:
    async def test_counts_each_statement_and_no_begin_or_commit(self, database: Database) -> None:
        with probe(database.engine) as opened:
            async with database.writing() as session:
                for _ in range(3):
                    await session.execute(SELECT)
                await session.commit()

        assert opened.count == 3
        assert [one.sql for one in opened.statements if not one.controls] == ["SELECT 1"] * 3
        assert opened.commit_ms > 0

    async def test_sees_tasks_started_inside_it(self, database: Database) -> None:
        with probe(database.engine) as opened:
            await asyncio.gather(*(select(database) for _ in range(4)))

        assert opened.count == 4

    async def test_does_not_see_what_runs_beside_it(self, database: Database) -> None:
        beside = asyncio.create_task(select(database, 5))

        with probe(database.engine) as opened:
            await select(database)
            await beside

        assert opened.count == 1

    async def test_counts_also_for_the_probes_around_it(self, database: Database) -> None:
        with probe(database.engine) as outer:
            await select(database)
            with probe(database.engine) as inner:
                await select(database, 2)
            await select(database)

        assert (outer.count, inner.count) == (4, 2)

    async def test_does_not_count_what_goes_to_another_database(self, database: Database, migrated: str) -> None:
        other = create_database(migrated)
        with probe(database.engine) as opened, probe(other.engine) as opened_on_other:
            await select(database, 3)
            await select(other)
            async with other.writing() as session:
                await session.execute(SELECT)
                await session.commit()
        await other.close()

        assert (opened.count, opened_on_other.count) == (3, 2)
        assert [one.sql for one in opened.statements if one.sql == "COMMIT"] == []
        assert [one.sql for one in opened_on_other.statements].count("COMMIT") == 1

    async def test_lists_a_statement_that_failed(self, database: Database) -> None:
        with probe(database.engine) as opened:
            async with database.reading() as session:
                with pytest.raises(Exception, match="nowhere"):
                    await session.execute(text("SELECT * FROM nowhere"))

        assert [one.failed for one in opened.statements if not one.controls] == [True]

    async def test_groups_by_text(self, database: Database) -> None:
        with probe(database.engine) as opened:
            await select(database, 3)
            async with database.reading() as session:
                await session.execute(text("SELECT 2"))

        assert [(group.sql, group.count) for group in opened.groups()] == [("SELECT 1", 3), ("SELECT 2", 1)]


def lines_of(opened: Probe, begin: str) -> list[Line | None]:
    return [one.line for one in opened.statements if one.sql.startswith(begin)]


def is_on(line: Line | None, path: str, function: str, source: str) -> bool:
    """Whether the line is in that function, and reads like `source`."""
    assert line is not None
    text = (ROOT / line.path).read_text().splitlines()[line.number - 1]
    return (line.path, line.function) == (path, function) and source in text


class TestLines:
    async def test_name_the_method_of_a_repository_of_an_app(self, database: Database) -> None:
        with probe(database.engine) as opened:
            async with database.reading() as session:
                await UserRepository(session).recent(3)

        (line,) = lines_of(opened, "SELECT")
        assert is_on(line, "accounts/repositories.py", "UserRepository.recent", "self.list(")

    async def test_name_who_called_where_the_statement_is_the_base_repositorys(self, database: Database) -> None:
        with probe(database.engine) as opened:
            async with database.reading() as session:
                await UserRepository(session).count()

        (line,) = lines_of(opened, "SELECT")
        assert is_on(
            line,
            "tests/db/test_probe.py",
            "TestLines.test_name_who_called_where_the_statement_is_the_base_repositorys",
            ".count()",
        )

    async def test_name_the_attribute_that_loads_lazily_inside_run_sync(self, database: Database) -> None:
        async with database.writing() as session:
            user = await create_user(session, email="a@example.com", name="A")

        with probe(database.engine) as opened:
            async with database.reading() as session:
                await fetch_lazily(session, user.id)

        users, scores = lines_of(opened, "SELECT")
        here = ("qulab/lab/demonstrations/queries.py", "touch_scores")
        assert is_on(users, *here, "session.scalars(select(User)")
        assert is_on(scores, *here, "in user.scores")

    async def test_name_the_call_of_commit_for_what_is_flushed_there_and_for_the_commit_itself(
        self, database: Database
    ) -> None:
        """A commit is a task of its own, that no coroutine of ours awaits directly."""
        with probe(database.engine) as opened:
            async with database.writing() as session:
                await create_user(session, email="a@example.com", name="A")

        for begin in ("INSERT INTO domain_events", "COMMIT"):
            (line,) = lines_of(opened, begin)
            assert is_on(line, "accounts/services.py", "create_user", "await session.commit()")

    async def test_are_each_tasks_own_where_many_run_and_commit_at_once(self, database: Database) -> None:
        async def first(session: Session) -> None:
            session.add(User(email="first@example.com", name="First"))
            await session.commit()

        async def second(session: Session) -> None:
            session.add(User(email="second@example.com", name="Second"))
            await session.commit()

        async def run(work: object) -> None:
            async with database.writing() as session:
                await work(session)  # type: ignore[operator]

        with probe(database.engine) as opened:
            await asyncio.gather(run(first), run(second))

        functions = {line.function.rpartition(".")[2] for line in lines_of(opened, "INSERT") if line}
        assert functions == {"first", "second"}

    async def test_are_found_inside_a_hook_that_follows_a_commit(self, database: Database) -> None:
        async def hook() -> None:
            await select(database)

        with probe(database.engine) as opened:
            async with database.writing() as session:
                session.on_commit(hook)
                await session.commit()

        (line,) = lines_of(opened, "SELECT")
        assert is_on(line, "tests/db/test_probe.py", "select", "session.execute(SELECT)")

    async def test_do_not_reach_past_a_task_into_what_started_the_loop(self, migrated: str) -> None:
        """Nothing of ours is between the task and its statement: no line is better than a wrong one."""

        async def in_a_task_of_its_own() -> list[Line | None]:
            database = create_database(migrated)
            async with database.reading() as session:
                await session.connection()
                with probe(database.engine) as opened:
                    await asyncio.create_task(session.execute(SELECT))  # type: ignore[arg-type]
            await database.close()
            return lines_of(opened, "SELECT")

        lines = await asyncio.to_thread(lambda: asyncio.run(in_a_task_of_its_own()))

        assert lines == [None]

    async def test_are_told_of_a_statement_that_failed(self, database: Database) -> None:
        with probe(database.engine) as opened:
            async with database.reading() as session:
                with pytest.raises(Exception, match="nowhere"):
                    await session.execute(text("SELECT * FROM nowhere"))

        (line,) = lines_of(opened, "SELECT")
        assert line is not None
        assert line.path == "tests/db/test_probe.py"

    async def test_stand_with_the_group_of_their_statement_each_once(self, database: Database) -> None:
        with probe(database.engine) as opened:
            await select(database, 3)
            async with database.reading() as session:
                await session.execute(SELECT)

        (group,) = opened.groups()
        assert group.count == 4
        assert [line.function.rpartition(".")[2] for line in group.lines] == [
            "select",
            "test_stand_with_the_group_of_their_statement_each_once",
        ]

    def test_are_of_our_code_and_neither_of_the_data_layer_nor_of_a_library(self) -> None:
        assert _path(str(ROOT / "accounts/services.py")) == "accounts/services.py"
        for other in ("qulab/db/repository.py", ".venv/lib/x.py", "venv/lib/python3.11/site-packages/x.py"):
            assert _path(str(ROOT / other)) == ""
        assert _path(asyncio.__file__) == _path("<string>") == _path(str(Path("/elsewhere.py"))) == ""


class TestAtMost:
    async def test_passes_up_to_its_number(self, database: Database) -> None:
        with at_most(2, database) as opened:
            await select(database, 2)

        assert opened.count == 2

    async def test_fails_beyond_it_and_lists_what_was_sent_and_from_where(self, database: Database) -> None:
        with pytest.raises(AssertionError) as failed, at_most(2, database):  # noqa: PT012
            await select(database, 3)
            async with database.reading() as session:
                await UserRepository(session).recent(1)

        assert "4 statements" in str(failed.value)
        assert "3 × SELECT 1" in str(failed.value)
        assert "tests/db/test_probe.py:" in str(failed.value)
        assert "UserRepository.recent" in str(failed.value)

    async def test_lets_the_failure_of_its_block_through(self, database: Database) -> None:
        with pytest.raises(NotFound), at_most(0, database):  # noqa: PT012
            await select(database)
            raise NotFound(AIRScore, "x")
