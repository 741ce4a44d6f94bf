"""What one address may ask of the lab is counted; what is too much does nothing, and says when to come again."""

import asyncio
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, AsyncRequestFactory
from redis.asyncio import Redis
from sqlalchemy import func, select

from qulab.access.limits import Limit
from qulab.asgi import application
from qulab.db.engine import Database, get_database
from qulab.lab import bounds
from qulab.lab.live.hubs import hubs
from qulab.lab.models import Run
from qulab.lab.runs import queue
from qulab.lab.statements.tokens import Logged, token
from tests.lean.asgi import Exchange

from .conftest import Lab, text_of
from .test_live import until

HTMX = {"HX-Request": "true"}
ELSEWHERE = "203.0.113.9"


class Elsewhere(AsyncClient):
    def _base_scope(self, **request: Any) -> dict[str, Any]:
        scope: dict[str, Any] = super()._base_scope(**request)
        return scope | {"client": [ELSEWHERE, 1]}


@pytest.fixture
async def visitor(lab: Lab, settings: Any, async_client: AsyncClient) -> AsyncClient:
    settings.LOCAL_OPERATOR = False
    return async_client


@pytest.fixture
def other(visitor: AsyncClient) -> AsyncClient:
    """Somebody at another address."""
    return Elsewhere()


def here() -> HttpRequest:
    """A request from the visitor's address."""
    request: HttpRequest = AsyncRequestFactory().get("/")
    return request


async def spend(limit: Limit) -> None:
    for _ in range(limit.amount):
        assert await bounds.count(here(), limit) is None


async def runs(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count(Run.id))) or 0


def says_when(answer: HttpResponse) -> bool:
    return answer.status_code == 429 and 0 < int(answer["Retry-After"]) <= 600


class TestActions:
    async def test_one_too_many_does_nothing_and_says_when(
        self, visitor: AsyncClient, other: AsyncClient, database: Database
    ) -> None:
        await spend(bounds.ACTIONS)

        refused = await visitor.post("/lab/2/await")

        assert says_when(refused)
        assert "more than it does in a minute" in text_of(refused)
        assert await runs(database) == 0
        assert (await visitor.get("/lab/2")).status_code == 200
        assert (await other.post("/lab/2/await")).status_code == 302

    async def test_the_operator_at_this_machine_is_not_counted(self, visitor: AsyncClient, settings: Any) -> None:
        await spend(bounds.ACTIONS)
        settings.LOCAL_OPERATOR = True

        assert (await visitor.post("/lab/2/await")).status_code == 302

    def test_a_class_behind_one_address_can_work(self) -> None:
        assert bounds.ACTIONS.amount * 60 / bounds.ACTIONS.seconds >= 30 * 6  # each of 30, every ten seconds
        assert bounds.RUNS.amount >= 30 * 2
        assert bounds.MOST_STREAMS >= 30 * 2


class TestLooks:
    @pytest.fixture(autouse=True)
    async def spent(self, visitor: AsyncClient) -> None:
        await spend(bounds.LOOKS)

    async def test_search_and_plans_are_refused_as_pages(self, visitor: AsyncClient) -> None:
        statement = token(Logged(get_database().dialect, "SELECT 1"))

        for refused in (
            await visitor.get("/lab/search?q=pool"),
            await visitor.get(f"/lab/explain?statement={statement}"),
        ):
            assert says_when(refused)
            assert "<!doctype html>" in text_of(refused)

    async def test_a_plan_is_refused_in_its_place(self, visitor: AsyncClient) -> None:
        statement = token(Logged(get_database().dialect, "SELECT 1"))

        refused = await visitor.get(f"/lab/explain?statement={statement}", headers=HTMX)

        assert says_when(refused)
        assert text_of(refused).startswith('<p class="problem"')


class TestRuns:
    def fields(self) -> dict[str, Any]:
        return {"users": 3, "scores_per_user": 2, "repeats": 1, "database": get_database().dialect}

    async def start(self, client: AsyncClient, **how: Any) -> HttpResponse:
        """As a new visitor: the cookie that holds one to one run was cleared."""
        client.cookies.clear()
        return await client.post("/lab/runs/start/queries", self.fields(), **how)

    async def test_one_too_many_is_told_at_the_form_and_stores_nothing(
        self, visitor: AsyncClient, database: Database
    ) -> None:
        await spend(bounds.RUNS)

        refused = await self.start(visitor, headers=HTMX)

        assert says_when(refused)
        assert 'id="bench-queries"' in text_of(refused)  # what htmx puts in the place of the form
        assert "more runs were started in ten minutes" in text_of(refused)
        assert await runs(database) == 0

    async def test_a_cleared_cookie_does_not_give_one_address_all_of_the_queue(
        self, visitor: AsyncClient, other: AsyncClient, database: Database
    ) -> None:
        started = [(await self.start(visitor)).status_code for _ in range(queue.MOST_OF_A_NETWORK)]
        refused = await self.start(visitor)
        elsewhere = await self.start(other)

        assert started == [302] * queue.MOST_OF_A_NETWORK
        assert refused.status_code == 429
        assert "from your network" in text_of(refused)
        assert elsewhere.status_code == 302
        assert await runs(database) == queue.MOST_OF_A_NETWORK + 1
        assert queue.MOST_OF_A_NETWORK < queue.MOST_QUEUED

    async def test_a_run_that_has_ended_makes_room(self, visitor: AsyncClient, database: Database) -> None:
        for _ in range(queue.MOST_OF_A_NETWORK):
            last = await self.start(visitor)
        await visitor.post(last["Location"].partition("#")[0] + "/cancel")

        assert (await self.start(visitor)).status_code == 302

    async def test_the_operator_has_the_whole_queue(
        self, visitor: AsyncClient, settings: Any, streams_client: Redis
    ) -> None:
        settings.LOCAL_OPERATOR = True

        started = [(await self.start(visitor)).status_code for _ in range(queue.MOST_QUEUED)]

        assert started == [302] * queue.MOST_QUEUED
        assert not [key for key in await streams_client.keys() if key.startswith("lab:network:")]

    async def test_nothing_in_redis_tells_the_address(self, other: AsyncClient, streams_client: Redis) -> None:
        await self.start(other)

        assert [key for key in await streams_client.keys() if key.startswith("lab:network:")]
        assert not [key for key in await streams_client.keys() if ELSEWHERE in key]


class TestStreams:
    async def test_one_address_does_not_hold_all_streams(
        self, visitor: AsyncClient, other: AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bounds, "MOST_STREAMS", 1)
        tab = Exchange("/live?topics=pool")
        task = asyncio.create_task(tab.with_(application))
        try:
            await until(lambda: b'"topic":"pool"' in tab.body)
            refused = await visitor.get("/live?topics=pool")
            elsewhere = await other.get("/live?topics=pool")
        finally:
            tab.leave()
            await asyncio.wait({task})
            await hubs.close()

        assert refused.status_code == 429
        assert refused["Retry-After"] == "5"
        assert elsewhere.status_code == 200
