"""The lean path answers as Django's own does, without its threads."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path
from sqlalchemy import select

from accounts.models import User
from qulab import urls
from qulab.access.needs import Need, guarded
from qulab.db.engine import Database
from qulab.db.middleware import DatabaseRequest
from qulab.lean.handler import LeanHandler

from .asgi import Exchange

STOCK_MIDDLEWARE = [
    "qulab.lean.middleware.HeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "qulab.lean.static.StaticMiddleware",
    "qulab.lean.compression.PageCompressionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "qulab.db.middleware.SessionMiddleware",
    "qulab.access.middleware.AccessMiddleware",
]


async def plain(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


async def reads(request: DatabaseRequest) -> HttpResponse:
    return HttpResponse(str(len((await request.db.scalars(select(User.id))).all())))


async def fails(_request: HttpRequest) -> HttpResponse:
    raise RuntimeError("this view is broken")


class Waiting:
    """A view that holds a connection until its client goes away."""

    began: asyncio.Event
    cancelled: bool

    async def __call__(self, request: DatabaseRequest) -> HttpResponse:
        await request.db.scalars(select(User.id))
        self.began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return HttpResponse("too late")


waiting = Waiting()


async def wait(request: DatabaseRequest) -> HttpResponse:
    return await waiting(request)


urlpatterns = [
    *urls.urlpatterns,
    *guarded(Need.NOTHING, [path("plain", plain), path("reads", reads), path("fails", fails), path("waits", wait)]),
]


@pytest.fixture
def lean(settings: Any) -> LeanHandler:
    settings.ROOT_URLCONF = __name__
    return LeanHandler()


@pytest.fixture
def stock(settings: Any) -> ASGIHandler:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = STOCK_MIDDLEWARE
    return ASGIHandler()


class Hops:
    """Calls handed to threads, and threads started."""

    def __init__(self) -> None:
        self.calls = 0
        self.threads = 0


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> Hops:
    counted, submit, start = Hops(), ThreadPoolExecutor.submit, threading.Thread.start

    def submitted(self: ThreadPoolExecutor, *args: Any, **kwargs: Any) -> Any:
        counted.calls += 1
        return submit(self, *args, **kwargs)

    def started(self: threading.Thread) -> None:
        counted.threads += 1
        start(self)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", submitted)
    monkeypatch.setattr(threading.Thread, "start", started)
    return counted


class TestThreads:
    async def test_a_request_without_a_session_starts_none_and_hops_into_none(
        self, lean: LeanHandler, hops: Hops
    ) -> None:
        answer = await Exchange("/plain").with_(lean)

        assert (answer.status, answer.body) == (200, b"plain")
        assert (hops.threads, hops.calls) == (0, 0)

    async def test_nor_does_one_that_reads_the_database_through_a_warm_pool(
        self, lean: LeanHandler, hops: Hops, database: Database
    ) -> None:
        await Exchange("/reads").with_(lean)
        hops.calls = hops.threads = 0

        answer = await Exchange("/reads").with_(lean)

        assert answer.body == b"0"
        assert (hops.threads, hops.calls) == (0, 0)

    async def test_the_count_would_see_what_stock_django_does(self, stock: ASGIHandler, hops: Hops) -> None:
        await Exchange("/plain").with_(stock)

        assert hops.calls >= 10
        assert hops.threads >= 1


class TestSameAnswers:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
    @pytest.mark.parametrize("address", ["/plain", "/nowhere", "/plain?a=1"])
    @pytest.mark.parametrize("host", ["localhost", "evil.example"])
    async def test_as_stock_django(
        self, lean: LeanHandler, stock: ASGIHandler, method: str, address: str, host: str
    ) -> None:
        ours, theirs = [
            await Exchange(address, method=method, headers={"host": host}).with_(handler) for handler in (lean, stock)
        ]

        assert ours.status == theirs.status
        assert ours.headers == theirs.headers
        assert len(ours.body) == len(theirs.body)

    async def test_a_form_without_its_token_is_refused(self, lean: LeanHandler) -> None:
        answer = await Exchange("/plain", method="POST").with_(lean)

        assert answer.status == 403

    async def test_a_form_with_its_token_passes(self, lean: LeanHandler) -> None:
        token = "a" * 32
        headers = {
            "cookie": f"csrftoken={token}",
            "content-type": "application/x-www-form-urlencoded",
        }
        body = f"csrfmiddlewaretoken={token}".encode()

        answer = await Exchange("/plain", method="POST", body=body, headers=headers).with_(lean)

        assert answer.status == 200

    async def test_a_broken_view_answers_500(self, lean: LeanHandler, caplog: pytest.LogCaptureFixture) -> None:
        answer = await Exchange("/fails").with_(lean)

        assert answer.status == 500
        assert "this view is broken" in caplog.text


class TestDisconnect:
    async def test_cancels_the_view_and_gives_its_connection_back(self, lean: LeanHandler, database: Database) -> None:
        waiting.began, waiting.cancelled = asyncio.Event(), False
        exchange = Exchange("/waits")
        serving = asyncio.ensure_future(exchange.with_(lean))
        await asyncio.wait_for(waiting.began.wait(), 5)
        assert database.pool_state().checked_out == 1

        exchange.leave()
        await asyncio.wait_for(serving, 5)

        assert waiting.cancelled
        assert exchange.sent == []
        assert database.pool_state().checked_out == 0

    async def test_a_server_that_stops_ends_the_view_too(self, lean: LeanHandler, database: Database) -> None:
        waiting.began, waiting.cancelled = asyncio.Event(), False
        serving = asyncio.ensure_future(Exchange("/waits").with_(lean))
        await asyncio.wait_for(waiting.began.wait(), 5)

        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

        assert waiting.cancelled
        assert database.pool_state().checked_out == 0
