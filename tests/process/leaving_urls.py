"""Views that hold a connection in the ways a view can; each tells how it ended."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from sqlalchemy import text

from accounts.services import create_user
from qulab.access.needs import Need, guarded
from qulab.db.base import new_id
from qulab.db.engine import get_database
from qulab.db.middleware import DatabaseRequest

ends: Counter[str] = Counter()


@asynccontextmanager
async def told(what: str) -> AsyncIterator[None]:
    try:
        yield
    except asyncio.CancelledError:
        ends[f"{what} cancelled"] += 1
        raise
    ends[f"{what} finished"] += 1


async def connect(request: DatabaseRequest) -> None:
    """Left while it waits for a connection."""
    async with told("waits"):
        await request.db.execute(text("SELECT 1"))


async def asks(request: DatabaseRequest, milliseconds: int) -> HttpResponse:
    """Left in the middle of a statement."""
    await connect(request)
    async with told("asks"):
        await request.db.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": milliseconds / 1000})
    return HttpResponse("asked")


async def holds(request: DatabaseRequest, milliseconds: int) -> HttpResponse:
    """Left between two statements of a transaction."""
    await connect(request)
    async with told("holds"):
        await asyncio.sleep(milliseconds / 1000)
        await request.db.execute(text("SELECT 1"))
    return HttpResponse("held")


@csrf_exempt
async def stores(request: DatabaseRequest, milliseconds: int) -> HttpResponse:
    """Left while it writes and commits, or while its body is read."""
    await asyncio.sleep(milliseconds / 1000)
    async with told("stores"):
        await create_user(request.db, email=f"{new_id()}@example.com", name=request.POST["name"])
    return HttpResponse("stored")


async def state(_request: HttpRequest) -> HttpResponse:
    database = get_database()
    return JsonResponse({"pool": msgspec.to_builtins(database.pool_state()), "ends": ends})


urlpatterns = guarded(
    Need.NOTHING,
    [
        path("asks/<int:milliseconds>", asks),
        path("holds/<int:milliseconds>", holds),
        path("stores/<int:milliseconds>", stores),
        path("state", state),
    ],
)
