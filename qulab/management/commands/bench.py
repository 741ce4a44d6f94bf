"""`manage.py bench NAME`: an experiment in the terminal. With `--json`, standard output is one document."""

import sys
from typing import Any

import msgspec
from django.core.management.base import CommandError, CommandParser

from qulab.db.command import AsyncCommand
from qulab.db.engine import get_database
from qulab.lab.experiments import AnyExperiment, Bench, Busy
from qulab.lab.experiments.environment import environment, line, load
from qulab.lab.experiments.options import BadOption, options, parsed
from qulab.lab.experiments.registry import EXPERIMENTS
from qulab.lab.experiments.tables import lines
from qulab.management.progress import bar


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
        load_before = load()
        async with Bench(get_database()) as bench:
            result = await self._run(experiment, parameters, bench)
            told = environment(bench, load_before)
        if given["json"]:
            document = {"experiment": experiment.name, "parameters": parameters, "result": result, "environment": told}
            self.stdout.write(msgspec.json.encode(document).decode())
        else:
            self.stdout.write("\n".join([*lines(experiment.rows(result)), "", line(told)]))

    async def _run(self, experiment: AnyExperiment, parameters: msgspec.Struct, bench: Bench) -> msgspec.Struct:
        try:
            with bar(experiment.name, experiment.unit, stream=sys.stderr) as progress:
                result: msgspec.Struct = await experiment.run(parameters, bench, progress)
                return result
        except Busy as busy:
            raise CommandError("Another run is measuring, and two would measure each other. Try again soon.") from busy
