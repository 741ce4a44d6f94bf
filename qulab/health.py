"""`/healthz` touches nothing; `/readyz` asks every part within a second and never shows a password."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

import asyncpg
import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from qulab.access.operator import comes_from_here
from qulab.cache import heartbeat
from qulab.cache.client import get_streams
from qulab.db import migrate
from qulab.db.engine import get_database
from qulab.db.errors import table_is_missing

SECONDS = 0.9  # for all checks, which run at the same time


class Check(msgspec.Struct, frozen=True):
    """One part. `age_seconds` is the time since it was last heard, for the parts that send a heartbeat."""

    healthy: bool
    detail: str
    age_seconds: float | None = None


class Readiness(msgspec.Struct, frozen=True):
    """Every part that the lab needs. `worker` is healthy when the workers of both queues are."""

    database: Check
    redis: Check
    worker: Check
    beat: Check
    consumer: Check

    @property
    def healthy(self) -> bool:
        return all(check.healthy for check in (self.database, self.redis, self.worker, self.beat, self.consumer))


@require_safe
async def healthz(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
async def readyz(request: HttpRequest) -> HttpResponse:
    state = await readiness()
    parts = msgspec.to_builtins(state)
    if not comes_from_here(request):  # who looks from outside learns which part it is, and no more
        parts = {name: {"healthy": part["healthy"]} for name, part in parts.items()}
    body = {"status": "ready" if state.healthy else "not ready", **parts}
    response = JsonResponse(body, status=200 if state.healthy else 503)
    response._has_been_logged = True  # type: ignore[attr-defined]  # Django logs each 503 as an error of ours
    return response


async def readiness() -> Readiness:
    """Ask every part. Never raises: a part that cannot be asked is not healthy."""
    database, redis, ages = await asyncio.gather(
        _bounded(_database()), _bounded(_redis()), _bounded(heartbeat.ages(get_streams()))
    )
    heard: Mapping[str, float | None] = {} if isinstance(ages, Check) else ages
    return Readiness(
        database=database,
        redis=redis,
        worker=_workers(heard),
        beat=_process(heard, "beat"),
        consumer=_process(heard, "consumer"),
    )


async def _bounded(question: Awaitable[Any]) -> Any:
    """The answer, or the Check that says why there is none."""
    try:
        return await asyncio.wait_for(question, SECONDS)
    except TimeoutError:
        return Check(healthy=False, detail=f"no answer within {SECONDS} s")
    except (SQLAlchemyError, asyncpg.PostgresError, RedisError, OSError) as error:
        # Of the message only the kind is shown: a driver may put the address with its password in it.
        return Check(healthy=False, detail=f"no answer: {type(error).__name__}")


async def _database() -> Check:
    database = get_database()
    try:
        async with database.reading() as session:
            found = await session.scalar(text("SELECT version_num FROM alembic_version"))
    except SQLAlchemyError as error:
        if not table_is_missing(error):
            raise
        found = None
    if found != migrate.head():
        detail = "answers, but its tables are not the newest: run `manage.py db upgrade`, or `manage.py prepare`"
        return Check(healthy=False, detail=f"{database.dialect} {detail}")
    return Check(healthy=True, detail=f"{database.dialect} answers")


async def _redis() -> Check:
    if settings.REDIS_IS_EMULATED:
        await get_streams().ping()  # fakeredis has no INFO
        return Check(healthy=True, detail="emulated by fakeredis: its figures say nothing about Redis")
    information = await get_streams().info("server")
    product = "valkey" if "valkey_version" in information else "redis"
    return Check(healthy=True, detail=f"{product} {information[f'{product}_version']} answers")


def _process(heard: Mapping[str, float | None], name: str) -> Check:
    age = heard.get(name)
    if age is None:
        return Check(healthy=False, detail=f"not heard within {heartbeat.LIFETIME} s")
    return Check(healthy=True, detail=f"heard {age:.1f} s ago", age_seconds=round(age, 1))


def _workers(heard: Mapping[str, float | None]) -> Check:
    """One answer for the workers of both queues: the worse of the two."""
    checks = {queue: _process(heard, f"worker-{queue}") for queue in ("relay", "lab")}
    ages = [check.age_seconds for check in checks.values() if check.age_seconds is not None]
    return Check(
        healthy=all(check.healthy for check in checks.values()),
        detail="; ".join(f"queue {queue} {check.detail}" for queue, check in checks.items()),
        age_seconds=max(ages, default=None),
    )
