import asyncio

import pytest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncClient
from django.urls import path
from sqlalchemy import text

from accounts.models import User
from accounts.repositories import UserRepository
from qulab import urls
from qulab.access.needs import Need, guarded
from qulab.db.engine import Database
from qulab.db.middleware import DatabaseRequest, SessionMiddleware

seen: list[object] = []


async def look(request: DatabaseRequest) -> HttpResponse:
    seen.append(request.db)
    await request.db.execute(text("SELECT 1"))
    return HttpResponse(str(request.db.sync_session.info["reading"]))


async def write_without_commit(request: DatabaseRequest) -> HttpResponse:
    await UserRepository(request.db).create(User(email="a@example.com", name="A"))
    return HttpResponse("created")


async def write_and_commit(request: DatabaseRequest) -> HttpResponse:
    await UserRepository(request.db).create(User(email="a@example.com", name="A"))
    await request.db.commit()
    return HttpResponse("created")


async def fail(request: DatabaseRequest) -> HttpResponse:
    await request.db.execute(text("SELECT 1"))
    raise RuntimeError("a view that fails")


async def untouched(request: DatabaseRequest) -> HttpResponse:
    return HttpResponse("nothing asked")


def handler500(request: HttpRequest) -> HttpResponse:
    """Without the product's own page, whose links are not among these addresses."""
    return HttpResponse(status=500)


urlpatterns = [
    *urls.urlpatterns,
    *guarded(
        Need.NOTHING,
        [
            path("look", look),
            path("forgets", write_without_commit),
            path("commits", write_and_commit),
            path("fails", fail),
            path("untouched", untouched),
        ],
    ),
]


@pytest.fixture
def client(database: Database, settings: object) -> AsyncClient:
    settings.ROOT_URLCONF = __name__  # type: ignore[attr-defined]
    return AsyncClient(raise_request_exception=False)


async def count(database: Database) -> int:
    async with database.reading() as session:
        return await UserRepository(session).count()


class TestSessionMiddleware:
    @pytest.mark.parametrize(("method", "reading"), [("get", "True"), ("head", "True"), ("post", "False")])
    async def test_lends_a_read_session_to_safe_methods(self, client: AsyncClient, method: str, reading: str) -> None:
        response = await getattr(client, method)("/look")

        assert response.status_code == 200
        assert response.content.decode() in {reading, ""}  # HEAD has no body
        assert str(seen[-1].sync_session.info["reading"]) == reading  # type: ignore[attr-defined]

    async def test_never_commits(self, client: AsyncClient, database: Database) -> None:
        assert (await client.post("/forgets")).status_code == 200
        assert await count(database) == 0

    async def test_stores_what_the_view_committed(self, client: AsyncClient, database: Database) -> None:
        assert (await client.post("/commits")).status_code == 200
        assert await count(database) == 1

    async def test_gives_the_connection_back_after_each_request(self, client: AsyncClient, database: Database) -> None:
        for address in ("/look", "/fails", "/look", "/fails"):
            await client.get(address)

        assert database.pool_state().checked_out == 0
        with pytest.raises(Exception, match=r"closed|permanently"):
            await seen[-1].execute(text("SELECT 1"))  # type: ignore[attr-defined]

    async def test_a_request_that_asks_nothing_takes_no_connection(
        self, client: AsyncClient, database: Database
    ) -> None:
        before = database.pool_state().idle
        await database.engine.dispose()

        await client.get("/untouched")

        assert database.pool_state().idle == 0, before

    async def test_a_request_whose_client_leaves_gives_its_connection_back(self, database: Database) -> None:
        reached = asyncio.Event()

        async def hang(request: DatabaseRequest) -> HttpResponseBase:
            await request.db.execute(text("SELECT 1"))
            reached.set()
            await asyncio.sleep(60)
            return HttpResponse()

        request = DatabaseRequest()
        request.method = "GET"
        task = asyncio.ensure_future(SessionMiddleware(hang)(request))  # type: ignore[arg-type]
        await asyncio.wait_for(reached.wait(), 5)
        assert database.pool_state().checked_out == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert database.pool_state().checked_out == 0
