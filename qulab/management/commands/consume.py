"""`manage.py consume GROUP`: one member of a consumer group."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils.module_loading import autodiscover_modules

from outbox.consumer import Consumer
from qulab.cache.client import get_streams
from qulab.db.command import AsyncCommand, check_database
from qulab.db.engine import get_database


class Command(AsyncCommand):
    help = "Handle events of all streams as a member of GROUP, until stopped."
    ends_on_signal = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("group", metavar="GROUP")

    async def execute_async(self, **options: Any) -> None:
        group: str = options["group"]
        autodiscover_modules("consumers")
        await check_database()
        await get_streams().ping()
        self.stdout.write(f"Consumer of group {group} is ready. Ctrl-C ends it.")
        await Consumer(get_database(), get_streams(), group).run()
