"""A 2xx means stored: what fails at COMMIT is told as a failure, and who leaves during a COMMIT does not undo it.

PostgreSQL only, where a deferred constraint speaks at COMMIT. SQLite has no trigger that runs then.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select, text

from accounts.models import User
from outbox.models import DomainEvent
from qulab.db.engine import Database, create_database
from qulab.lab.models import Run
from qulab.lean.handler import LeanHandler

from ..lean.asgi import Exchange

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

TOKEN = "a" * 32
REFUSES = "RAISE EXCEPTION 'refused at the end' USING ERRCODE = 'check_violation'"
TAKES_LONG = "PERFORM pg_sleep(0.4)"


class AtCommit:
    """Lets something happen in the database when a transaction that has added a user commits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def do(self, *what: str) -> None:
        body = "; ".join([*what, "RETURN NULL"])
        await self._run(
            f"CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$",
            "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION at_commit()",
        )

    async def forget(self) -> None:
        await self._run("DROP TRIGGER IF EXISTS at_commit ON users", "DROP FUNCTION IF EXISTS at_commit")

    async def _run(self, *statements: str) -> None:
        async with self._database.writing() as session:
            for statement in statements:
                await session.execute(text(statement))
            await session.commit()

    async def has_begun(self) -> None:
        """Wait until a COMMIT is in progress."""
        sql = text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COMMIT%'")
        async with asyncio.timeout(10):
            while True:
                async with self._database.reading() as session:
                    if await session.scalar(sql):
                        return


@pytest.fixture
async def at_commit(migrated: str, database: Database) -> AsyncIterator[AtCommit]:
    """Through a pool of its own, so that `database` shows what the requests have in use."""
    beside = create_database(migrated, pool_size=1)
    made = AtCommit(beside)
    yield made
    await made.forget()
    await beside.close()


def new_user() -> Exchange:
    """The form of section 1."""
    headers = {"cookie": f"csrftoken={TOKEN}", "content-type": "application/x-www-form-urlencoded"}
    body = f"csrfmiddlewaretoken={TOKEN}&email=somebody@example.com&name=Somebody"
    return Exchange("/lab/1/users", method="POST", body=body.encode(), headers=headers)


async def stored(database: Database) -> dict[str, int]:
    """Users, events and runs."""
    async with database.reading() as session:
        return {
            model.__tablename__: await session.scalar(select(func.count()).select_from(model)) or 0
            for model in (User, DomainEvent, Run)
        }


NOTHING = {"users": 0, "domain_events": 0, "lab_runs": 0}


async def test_a_form_whose_commit_succeeds_leads_to_its_result(database: Database, streams_client: Redis) -> None:
    answer = await new_user().with_(LeanHandler())

    assert answer.status == 302
    assert await stored(database) == {"users": 1, "domain_events": 1, "lab_runs": 1}


async def test_a_constraint_that_refuses_at_commit_answers_500_and_stores_nothing(
    database: Database, streams_client: Redis, at_commit: AtCommit, caplog: pytest.LogCaptureFixture
) -> None:
    await at_commit.do(REFUSES)

    answer = await new_user().with_(LeanHandler())

    assert answer.status == 500
    assert "refused at the end" in caplog.text
    assert await stored(database) == NOTHING
    assert database.pool_state().checked_out == 0


async def test_a_client_that_leaves_in_mid_commit_leaves_a_stored_row_and_a_clean_pool(
    database: Database, streams_client: Redis, at_commit: AtCommit
) -> None:
    await at_commit.do(TAKES_LONG)
    request = new_user()
    serving = asyncio.ensure_future(request.with_(LeanHandler()))
    await at_commit.has_begun()

    request.leave()
    await asyncio.wait_for(serving, 10)

    assert request.sent == []
    assert await stored(database) == {"users": 1, "domain_events": 1, "lab_runs": 0}  # the run was yet to come
    assert database.pool_state().checked_out == 0


async def test_a_client_that_leaves_before_a_commit_is_refused_leaves_nothing_and_the_refusal_is_logged(
    database: Database, streams_client: Redis, at_commit: AtCommit, caplog: pytest.LogCaptureFixture
) -> None:
    await at_commit.do(TAKES_LONG, REFUSES)
    request = new_user()
    serving = asyncio.ensure_future(request.with_(LeanHandler()))
    await at_commit.has_begun()

    request.leave()
    await asyncio.wait_for(serving, 10)

    assert request.sent == []
    assert "refused at the end" in caplog.text
    assert await stored(database) == NOTHING
    assert database.pool_state().checked_out == 0
