"""`manage.py simulate`: simulated people take the test, and what it says of them is held against the truth."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from qulab.db.command import AsyncCommand
from qulab.lab.experiments.options import BadOption, options, parsed
from qulab.lab.experiments.simulation import EXPERIMENT
from qulab.management.measuring import report


class Command(AsyncCommand):
    help = (
        "Let simulated people, whose abilities are known, take the adaptive test: each as a person of a scratch "
        "database, through the services, or with --fast in the pure core alone. Says which gates are met and which "
        "are missed, with the figures."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        given = {option.name: option for option in options(EXPERIMENT.parameters)}
        for name in ("examinees", "seed"):
            option = given[name]
            told = f"{option.description}: {option.allowed} (default {option.default})"
            parser.add_argument(option.flag, metavar="N", help=told)
        parser.add_argument("--fast", action="store_true", help=given["fast"].description)
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    async def execute_async(self, **given: Any) -> None:
        try:
            parameters = parsed(EXPERIMENT.parameters, {**given, "fast": str(given["fast"]).lower()})
        except BadOption as error:
            raise CommandError(str(error)) from error
        await report(EXPERIMENT, parameters, self.stdout, json=given["json"])
