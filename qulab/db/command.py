"""The one bridge between Django's commands and async code: a loop of its own, all of it closed at the end."""

import asyncio
import signal
import sys
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError

from qulab.db.engine import get_database
from qulab.db.errors import DataLayerError, is_outage, table_is_missing
from qulab.db.loop import close_all


class AsyncCommand(BaseCommand):
    """A command whose work is `execute_async`. Ctrl-C and SIGTERM cancel it; faults of a server end in one line."""

    requires_system_checks: list[str] = []
    ends_on_signal = False  # True: being stopped is how the command normally ends
    stopped = "Stopped."  # what is said where it is not

    async def execute_async(self, **options: Any) -> None:
        raise NotImplementedError(f"{type(self).__module__} has no execute_async()")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            asyncio.run(self._main(options))
        except RedisError as error:
            raise CommandError(f"REDIS_URL: Redis does not answer: {reason(error)}") from error
        except DataLayerError as error:
            raise CommandError(str(error)) from error
        except Exception as error:
            if table_is_missing(error):
                raise CommandError(f"{reason(error)}: run `manage.py db upgrade` first.") from error
            if not is_outage(error):
                raise
            raise CommandError(f"DATABASE_URL: the database does not answer: {reason(error)}") from error

    async def _main(self, options: dict[str, Any]) -> None:
        task = asyncio.ensure_future(self.execute_async(**options))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # not on Windows
                loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            if not self.ends_on_signal:
                self.stderr.write(self.stopped)
                sys.exit(130)
        finally:
            await close_all()


async def check_database() -> None:
    """Raise what a wrong DATABASE_URL raises, before a long-running command settles down to retry."""
    async with get_database().engine.connect():
        pass


def reason(error: BaseException) -> str:
    """The first line of what the driver said, without SQLAlchemy's frame around it."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
