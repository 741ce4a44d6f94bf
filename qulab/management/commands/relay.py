"""`manage.py relay`: the relay without Celery."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from outbox.partitions import PartitionCountChanged, prepare_partitions
from outbox.relay import Relay
from outbox.selectors import outbox_state
from outbox.tally import Tally
from qulab.cache.client import get_streams
from qulab.db.command import AsyncCommand
from qulab.db.engine import get_database


class Command(AsyncCommand):
    help = "Publish pending events into Redis until stopped, once, or until none is pending."
    ends_on_signal = True

    def add_arguments(self, parser: CommandParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--once", action="store_true", help="one drain, then end")
        how.add_argument("--until-empty", action="store_true", help="end when nothing is pending any more")

    async def execute_async(self, **options: Any) -> None:
        await get_streams().ping()
        try:
            await prepare_partitions(get_database())
        except PartitionCountChanged as error:
            raise CommandError(str(error)) from error
        relay = Relay(get_database(), get_streams())
        if options["once"]:
            self._tell(await relay.drain())
        elif options["until_empty"]:
            await self._until_empty(relay)
        else:
            self.stdout.write(f"Relay {relay.name} is ready. Ctrl-C ends it.")
            await relay.run()

    async def _until_empty(self, relay: Relay) -> None:
        total = Tally()
        while True:
            tally = await relay.run(seconds=settings.RELAY_INTERVAL)
            total.add(tally)
            async with get_database().reading() as session:
                state = await outbox_state(session)
            if state.pending == 0:
                return self._tell(total)
            if state.paused:
                raise CommandError(f"publishing is paused and {state.pending} events are pending: resume it first")
            if tally.is_empty:
                raise CommandError(
                    f"{state.pending} events stay pending and none of them could be published. They wait behind one "
                    f"of {state.dead} dead letters or for their next attempt, or the lines above say what is away."
                )

    def _tell(self, tally: Tally) -> None:
        self.stdout.write(
            f"{tally.published} published, {tally.repeated} only marked, "
            f"{tally.recovered} reopened, {tally.failed} failed."
        )
