"""Tasks for the tests of the worker: a Celery app with the product's settings and bridge, started as a real process."""

import asyncio

from sqlalchemy import text

from qulab.cache.client import get_streams
from qulab.celery import app
from qulab.db import worker
from qulab.db.engine import get_database

FINISHED = "test:finished"
SLEEPS = "SELECT pg_sleep(60)"


@app.task(name="tests.read")
def read() -> None:
    worker.run(_read())


@app.task(name="tests.sleep", soft_time_limit=1)
def sleep() -> None:
    worker.run(_sleep())


async def _read() -> None:
    async def once() -> None:
        async with get_database().reading() as session:
            await session.execute(text("SELECT pg_sleep(0.001)"))

    await asyncio.gather(*(once() for _ in range(3)))
    await get_streams().incr(FINISHED)


async def _sleep() -> None:
    async with get_database().writing() as session:
        await session.execute(text(SLEEPS))
