"""A command runs an experiment as a page does, and reports it once: as a table, or as one JSON document."""

import sys
from typing import Any

import msgspec
from django.core.management.base import CommandError

from qulab.db.engine import get_database
from qulab.lab.experiments import AnyExperiment, Bench, Busy
from qulab.lab.experiments.environment import environment, line, load
from qulab.lab.experiments.tables import lines
from qulab.management.progress import bar

BUSY = "Another run is measuring, and two would measure each other. Try again soon."


async def report(experiment: AnyExperiment, parameters: msgspec.Struct, out: Any, *, json: bool) -> None:
    """Measure with a progress bar on standard error, and write to `out`. Raises CommandError where another runs."""
    load_before = load()
    async with Bench(get_database()) as bench:
        result = await _measured(experiment, parameters, bench)
        told = environment(bench, load_before)
    if json:
        document = {"experiment": experiment.name, "parameters": parameters, "result": result, "environment": told}
        out.write(msgspec.json.encode(document).decode())
    else:
        out.write("\n".join([*lines(experiment.rows(result)), "", line(told)]))


async def _measured(experiment: AnyExperiment, parameters: msgspec.Struct, bench: Bench) -> msgspec.Struct:
    try:
        with bar(experiment.name, experiment.unit, stream=sys.stderr) as progress:
            result: msgspec.Struct = await experiment.run(parameters, bench, progress)
            return result
    except Busy as busy:
        raise CommandError(BUSY) from busy
