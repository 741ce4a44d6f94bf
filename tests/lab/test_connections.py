"""A connection held while Redis is asked is a connection that a sick Redis takes away from everybody."""

import asyncio

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from accounts.services import create_sample_users
from outbox.wake import hints
from qulab.db.engine import Database
from qulab.lab.benches import BENCHES
from qulab.lab.models import Run, RunStatus
from qulab.lab.workbench import Workbench

# Not `/` and `/readyz`: they ask all parts at the same time, each in a task of its own, and none waits for another.
PAGES = ["/lab/1", "/lab/2", "/lab/2/reset", "/lab/3", "/lab/4", "/lab/5", "/lab/5/tables", "/lab/test"]
ACTIONS = [
    ("/lab/1/users", {"email": "new@example.com", "name": "New"}),
    ("/lab/3/scores", {}),
    ("/lab/3/fetch/lazy", {}),
    ("/lab/3/fetch/eager", {}),
    ("/lab/4/fetch/user", {}),
    ("/lab/4/fetch/score", {}),
    ("/lab/4/fetch-many", {}),
    ("/lab/4/update", {}),
    ("/lab/4/forget", {}),
    ("/lab/4/invalidate", {}),
    ("/lab/4/reset", {}),
    ("/lab/5/scores", {"occupation_code": "15-1252", "fluency": "1", "domain": "1", "adaptive": "1"}),
    ("/lab/5/publisher/stop", {}),
    ("/lab/5/publisher/start", {}),
    ("/lab/2/reset", {}),
]


@pytest.fixture
def held(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """The commands of Redis that were sent while a connection of the pool was in use."""
    held: list[tuple[object, ...]] = []
    execute_command, execute = Redis.execute_command, Pipeline.execute

    def watched_command(self: Redis, *args: object, **options: object) -> object:
        if database.pool_state().checked_out:
            held.append(args)
        return execute_command(self, *args, **options)

    def watched_pipeline(self: Pipeline, *args: object, **options: object) -> object:
        # A hint goes out in a task of its own, and no connection waits for it.
        is_hint = asyncio.current_task() is hints.get()._pushing
        if database.pool_state().checked_out and not is_hint:
            held.append(("pipeline", *self.command_stack))
        return execute(self, *args, **options)

    monkeypatch.setattr(Redis, "execute_command", watched_command)
    monkeypatch.setattr(Pipeline, "execute", watched_pipeline)
    return held


@pytest.mark.usefixtures("cache", "streams_client")
class TestConnections:
    async def test_no_page_holds_one_while_it_asks_redis(
        self, database: Database, held: list[tuple[object, ...]]
    ) -> None:
        client = AsyncClient()
        held_by = {}
        for page in PAGES:
            held.clear()
            assert (await client.get(page)).status_code in {200, 503}
            if held:
                held_by[page] = list(held)

        assert held_by == {}

    async def test_no_action_and_no_page_of_a_result_holds_one(
        self, database: Database, held: list[tuple[object, ...]]
    ) -> None:
        async with database.writing() as session:
            (user, _) = await create_sample_users(session)
        client = AsyncClient()
        held_by = {}
        for action, data in ACTIONS:
            held.clear()
            response = await client.post(action, {"user": user.id, "user_id": user.id, **data})
            assert response.status_code == 302, (action, response.content)
            assert (await client.get(response.url)).status_code == 200
            if held:
                held_by[action] = list(held)

        assert held_by == {}

    @pytest.mark.parametrize("bench", BENCHES.values(), ids=lambda bench: bench.name)
    async def test_no_page_of_a_run_under_way_holds_one(
        self, database: Database, held: list[tuple[object, ...]], bench: Workbench
    ) -> None:
        run = Run(experiment=bench.name, status=RunStatus.QUEUED, parameters={"database": "sqlite"})
        async with database.writing() as session:
            session.add(run)
            await session.commit()
        client, page = AsyncClient(), f"/lab/{bench.section or 'test'}"
        await client.get(page)  # so that its demo user is there
        held.clear()

        for address in (f"{page}?run={run.id}", f"/lab/runs/{run.id}"):
            assert "under-way" in (await client.get(address)).content.decode()

        assert held == []
