"""`manage.py consume GROUP`: one member of a consumer group."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils.module_loading import autodiscover_modules

from outbox.consumer import Consumer
from qulab.cache.client import create_redis
from qulab.db.command import AsyncCommand, check_database
from qulab.db.engine import get_database

REDIS_TIMEOUT = 5.0  # seconds: nobody waits for a consumer, so a slow disk under Redis is no outage


class Command(AsyncCommand):
    help = "Handle events of all streams as a member of GROUP, until stopped."
    ends_on_signal = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("group", metavar="GROUP")

    async def execute_async(self, **options: Any) -> None:
        group: str = options["group"]
        autodiscover_modules("consumers")
        await check_database()
        redis = create_redis(settings.REDIS_STREAMS_URL, timeout=REDIS_TIMEOUT, text=True)
        try:
            await redis.ping()
            self.stdout.write(f"Consumer of group {group} is ready. Ctrl-C ends it.")
            await Consumer(get_database(), redis, group).run()
        finally:
            await redis.aclose()
