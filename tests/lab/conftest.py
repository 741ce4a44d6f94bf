"""Pages are asked for through Django's async client, on both databases, with a real Redis beside them."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import AsyncClient
from redis.asyncio import Redis

from qulab.cache.client import create_redis, streams
from qulab.cache.read_through import Cache, caches
from qulab.db.engine import Database
from qulab.lab.runs import SavedRun, find, queue
from qulab.lab.runs.worker import execute


class Lab:
    """A person with JavaScript off: opens pages, sends forms, follows the redirect."""

    def __init__(self, client: AsyncClient, database: Database) -> None:
        self._client = client
        self._database = database

    async def get(self, path: str, **how: Any) -> HttpResponse:
        return await self._client.get(path, **how)

    async def send(self, path: str, **fields: Any) -> HttpResponse:
        return await self._client.post(path, fields)

    async def run(self, path: str, **fields: Any) -> SavedRun:
        """Send a form that must succeed; the run that it redirects to, whose page must answer."""
        answer = await self.send(path, **fields)
        assert answer.status_code == 302, answer.content.decode()
        address = answer["Location"]
        assert address.endswith("#result")
        page = await self.get(address)
        assert page.status_code == 200
        section, _, rest = address.removeprefix("/lab/").partition("?run=")
        async with self._database.reading() as session:
            run = await find(session, rest.removesuffix("#result"), section=int(section))
        assert run is not None
        return run

    async def experiment(self, name: str, **fields: Any) -> SavedRun:
        """Ask for a run as a page does, do the worker's work, and return what its page, which must answer, shows."""
        answer = await self.send(f"/lab/runs/start/{name}", database=self._database.dialect, **fields)
        assert answer.status_code == 302, answer.content.decode()
        run_id = answer["Location"].removeprefix("/lab/runs/").removesuffix("#result")
        await execute(run_id)
        assert (await self.get(answer["Location"])).status_code == 200
        return await self.saved(run_id)

    async def saved(self, run_id: str) -> SavedRun:
        async with self._database.reading() as session:
            run = await find(session, run_id)
        assert run is not None
        return run


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that were put into the queue: here nobody takes them out until a test does."""
    ids: list[str] = []

    async def keep(run_id: str) -> None:
        ids.append(run_id)

    monkeypatch.setattr(queue, "send", keep)
    return ids


@pytest.fixture
async def lab(
    database: Database,
    cache: Cache,
    streams_client: Redis,
    redis_url: str,
    settings: Any,
    async_client: AsyncClient,
    sent: list[str],
) -> Lab:
    settings.CELERY_BROKER_URL = f"{redis_url.removesuffix('/0')}/2"
    settings.REDIS_URL = redis_url
    return Lab(async_client, database)


def text_of(response: HttpResponse) -> str:
    return response.content.decode()


@pytest.fixture
async def without_redis(lab: Lab, settings: Any) -> Any:
    """Redis is away: every client points at a port where nobody listens."""
    nowhere = "redis://127.0.0.1:1"
    settings.REDIS_URL = settings.CELERY_BROKER_URL = f"{nowhere}/0"
    cache = Cache(create_redis(f"{nowhere}/1", timeout=0.5))
    client = create_redis(f"{nowhere}/0", timeout=0.5, text=True)
    old_cache, old_streams = caches.lend(cache), streams.lend(client)
    yield
    caches.lend(old_cache)
    streams.lend(old_streams)
    await cache.close()
    await client.aclose()
