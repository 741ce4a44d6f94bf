"""A process that dies between its commit and its invalidation leaves no stale entry: the event invalidates again."""

import asyncio
import os
import signal
import sys
import time

from django.utils.module_loading import autodiscover_modules
from redis.asyncio import Redis

from accounts.cached import CachedUserRepository
from accounts.services import create_user
from outbox.consumer import Consumer
from outbox.relay import Relay
from qulab.cache.read_through import Cache
from qulab.db.engine import Database

SECONDS = 2.0  # from the kill to a fresh read, with a relay and a consumer at work

WRITER = """
import asyncio, os, signal, sys
import django
django.setup()
from accounts import services
from qulab.db.engine import open_database
from qulab.db.loop import close_all

async def die(*_args):
    os.kill(os.getpid(), signal.SIGKILL)

services.invalidate_user_cache = die

async def main():
    async with open_database() as database, database.writing() as session:
        await services.update_user(session, user_id=sys.argv[1], name="After")

asyncio.run(main())
"""


class TestKilledWriter:
    async def test_the_next_reads_are_fresh_within_two_seconds(
        self, database: Database, cache: Cache, streams_client: Redis, redis_url: str
    ) -> None:
        autodiscover_modules("consumers")
        users = CachedUserRepository(database, cache)
        async with database.writing() as session:
            user_id = (await create_user(session, email="a@example.com", name="Before")).id
        await users.get_by_id_cached(user_id)
        work = [
            asyncio.create_task(Relay(database, streams_client).run()),
            asyncio.create_task(Consumer(database, streams_client, "qulab").run()),
        ]
        try:
            await self.write_and_die(database, redis_url, user_id)
            seconds = await self.seconds_until_fresh(users, user_id)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

        assert seconds <= SECONDS

    async def write_and_die(self, database: Database, redis_url: str, user_id: str) -> None:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "qulab.settings",
            "DATABASE_URL": database.url.render_as_string(hide_password=False),
            "REDIS_URL": redis_url,
        }
        writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, user_id, env=environment)
        assert await writer.wait() == -signal.SIGKILL

    async def seconds_until_fresh(self, users: CachedUserRepository, user_id: str) -> float:
        began = time.monotonic()
        async with asyncio.timeout(30):
            while True:
                user = await users.get_by_id_cached(user_id)
                if user is not None and user.name == "After":
                    return time.monotonic() - began
                await asyncio.sleep(0.01)
