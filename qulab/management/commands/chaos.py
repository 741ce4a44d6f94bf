"""`manage.py chaos`: the exit code is 0 only if nothing was lost, doubled or inverted by all that was done."""

import sys
import tempfile
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from qulab.db.command import AsyncCommand
from qulab.local import ServiceError
from qulab.management.progress import bar

MOST_EVENTS = 1_000_000
MOST_KILLS = 10_000


class Command(AsyncCommand):
    help = (
        "Kill relays, consumers, producers and servers while events are published, then compare table, streams and "
        "effects. All of it is its own, in a temporary folder: DATABASE_URL and REDIS_URL are not touched."
    )
    stopped = "Stopped. Nothing was compared, and nothing is left running."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--events", type=whole(1, MOST_EVENTS), default=50_000, metavar="N", help="in all (50000)")
        parser.add_argument("--kills", type=whole(0, MOST_KILLS), default=200, metavar="K", help="faults (200)")
        parser.add_argument(
            "--seed", type=whole(0, 2**63 - 1), default=1, metavar="S", help="of the schedule: the same one again (1)"
        )
        parser.add_argument("--relays", type=whole(1, 20), default=3, metavar="R", help="relay processes (3)")
        parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
        parser.add_argument(
            "--leave-out", action="append", default=[], metavar="KIND", help="a kind of fault, as the report names it"
        )
        parser.add_argument(
            "--add", action="append", default=[], metavar="KIND", help="a kind that is there only when it is named"
        )
        parser.add_argument("--keep", action="store_true", help="keep the folder with the logs, and say where it is")
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")

    async def execute_async(self, **options: Any) -> None:
        _check_tests()
        # Imported here: the harness is of the tests, which an installation need not have.
        from tests.chaos import report as told
        from tests.chaos.harness import run_chaos
        from tests.chaos.plan import Plan, UnknownKind, schedule

        of_schedule = {name: options[name] for name in ("seed", "kills", "database")}
        try:
            faults = schedule(**of_schedule, without=options["leave_out"], also=options["add"])
        except UnknownKind as error:
            raise CommandError(str(error)) from error
        given = {name: options[name] for name in ("events", "seed", "database", "relays")}
        try:
            with self._folder(keep=options["keep"]) as folder, bar("Chaos", "faults", stream=sys.stderr) as progress:
                report = await run_chaos(Plan(faults=faults, **given), folder, progress)
        except ServiceError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(msgspec.json.encode(report).decode() if options["json"] else "\n".join(told.lines(report)))
        if not report.is_clean:
            raise CommandError(report.verdict)

    @contextmanager
    def _folder(self, *, keep: bool) -> Iterator[Path]:
        if keep:
            name = tempfile.mkdtemp(prefix="qulab-chaos-")
            self.stderr.write(f"The logs are in {name}.")
            yield Path(name)
            return
        # ignore_cleanup_errors: as root, the files are another user's and may still be going away
        with tempfile.TemporaryDirectory(prefix="qulab-chaos-", ignore_cleanup_errors=True) as name:
            yield Path(name)


def whole(least: int, most: int) -> Callable[[str], int]:
    """An argument that is a whole number from `least` to `most`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise ArgumentTypeError(f"{text!r} is not a whole number from {least:,} to {most:,}")
        return value

    return parse


def _check_tests() -> None:
    if not (settings.BASE_DIR / "tests" / "chaos" / "harness.py").exists():
        raise CommandError(
            "The harness is in tests/chaos of the checkout, and that folder is missing here: run it from a clone."
        )
