"""`manage.py bench NAME`: an experiment in the terminal. With `--json`, standard output is one document."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from qulab.db.command import AsyncCommand
from qulab.lab.experiments import AnyExperiment
from qulab.lab.experiments.options import BadOption, options, parsed
from qulab.lab.experiments.registry import EXPERIMENTS
from qulab.management.measuring import report


class Command(AsyncCommand):
    help = "Measure on scratch data beside the database and the Redis of the settings; nothing of theirs is touched."

    def add_arguments(self, parser: CommandParser) -> None:
        names = parser.add_subparsers(dest="experiment", required=True, metavar="|".join(EXPERIMENTS))
        for experiment in EXPERIMENTS.values():
            of_one = names.add_parser(experiment.name, help=experiment.summary, description=experiment.summary)
            of_one.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
            for option in options(experiment.parameters):
                told = f"{option.description}: {option.allowed} (default {option.default})"
                of_one.add_argument(option.flag, dest=option.name, metavar="N", help=told)

    async def execute_async(self, **given: Any) -> None:
        experiment: AnyExperiment = EXPERIMENTS[given["experiment"]]
        try:
            parameters = parsed(experiment.parameters, given)
        except BadOption as error:
            raise CommandError(str(error)) from error
        await report(experiment, parameters, self.stdout, json=given["json"])
