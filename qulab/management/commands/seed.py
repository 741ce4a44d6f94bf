"""`manage.py seed`: fills the database with people and their scores, repeatably, and only with what is missing."""

import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

import msgspec
from django.core.management.base import CommandParser

from assessments.population import MOST_SCORES, MOST_USERS
from assessments.seeding import MOST_SEED, Seeded, SeedParameters, seed
from qulab.db.command import AsyncCommand
from qulab.db.engine import get_database
from qulab.management.progress import bar


class Command(AsyncCommand):
    help = (
        "Add people with the assessments and scores of simulated tests, the same for the same seed on every day and "
        "machine. What is there stays, so it can be stopped and begun again, and larger numbers add what is missing. "
        "It writes no events: these rows are history, and nothing happened now that anyone should be told of."
    )
    stopped = "Stopped. What was added stays, and the same command goes on from there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--users", type=whole(MOST_USERS), required=True, metavar="N", help="people in all")
        parser.add_argument(
            "--scores-per-user", type=whole(MOST_SCORES), default=3, metavar="M", help="scores of each of them (3)"
        )
        parser.add_argument(
            "--seed", type=whole(MOST_SEED), default=1, metavar="S", help="which people; another seed adds others (1)"
        )
        parser.add_argument(
            "--events", action="store_true", help="also a pending AIRScoreCalculated of each score, for the relay"
        )
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")

    async def execute_async(self, **options: Any) -> None:
        parameters = SeedParameters(**{name: options[name] for name in SeedParameters.__struct_fields__})
        with bar("Seeding", "users", stream=sys.stderr) as progress:
            added = await seed(get_database(), parameters, progress)
        if options["json"]:
            self.stdout.write(msgspec.json.encode(report(parameters, added)).decode())
        else:
            self.stdout.write(sentence(parameters, added))


def whole(most: int) -> Callable[[str], int]:
    """An argument that is a whole number from 0 to `most`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = -1
        if not 0 <= value <= most:
            raise ArgumentTypeError(f"{text!r} is not a whole number from 0 to {most:,}")
        return value

    return parse


def report(parameters: SeedParameters, added: Seeded) -> dict[str, Any]:
    return {
        "parameters": parameters,
        "added": {name: getattr(added, name) for name in ("users", "assessments", "scores", "events")},
        "seconds": round(added.seconds, 3),
        "rows_per_second": round(added.rows_per_second),
    }


def sentence(parameters: SeedParameters, added: Seeded) -> str:
    if added.rows == 0:
        return (
            f"Nothing to add: the {parameters.users:,} people of seed {parameters.seed} are there, "
            f"each with {parameters.scores_per_user} scores."
        )
    events = f", {added.events:,} events" if added.events else ""
    return (
        f"Added {added.users:,} users, {added.assessments:,} assessments, {added.scores:,} scores{events} "
        f"in {added.seconds:.1f} s: {added.rows_per_second:,.0f} rows a second."
    )
