"""`bench outbox`: all that is promised of the outbox's speed, part after part, on one machine in one run.

The page of section 5 runs `outbox.py`, which is small and stays in its process.
"""

import tempfile
from pathlib import Path

from qulab.cache import keys
from qulab.lab.experiments import (
    Bench,
    Experiment,
    Progress,
    alone,
    outbox_apart,
    outbox_counts,
    outbox_drains,
    outbox_idle,
    outbox_locks,
    outbox_producers,
    unseen,
)
from qulab.lab.experiments.claim import held
from qulab.lab.experiments.outbox_place import OutboxBenchParameters, Place, Steps
from qulab.lab.experiments.outbox_rows import OutboxBenchResult, rows
from qulab.lab.measure import count_commands
from qulab.lab.scratch import PREFIX


async def run(parameters: OutboxBenchParameters, bench: Bench, progress: Progress = unseen) -> OutboxBenchResult:
    """Raises Busy while another run works, RedisError without Redis, ChildFailed, Disagreement."""
    streams = bench.redis(text=True)
    commands = count_commands(streams)  # before it opens a connection
    await streams.ping()
    with alone(), tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        async with held(streams, [keys.WAKE]):
            steps = Steps(progress, _steps(parameters, bench.database.dialect))
            place = Place(parameters, bench, streams, bench.redis(), commands, steps, Path(folder))
            result = await _measure(place)
    steps.end()
    return result


async def _measure(place: Place) -> OutboxBenchResult:
    return OutboxBenchResult(
        counts=await outbox_counts.measure(place),
        drains=await outbox_drains.measure(place),
        latencies=await outbox_apart.measure(place),
        producers=await outbox_producers.measure(place),
        idle=await outbox_idle.measure(place),
        locks=await outbox_locks.measure(place) if place.bench.database.dialect == "sqlite" else None,
    )


def _steps(parameters: OutboxBenchParameters, dialect: str) -> int:
    of_a_round = 1 + len(outbox_apart.WAYS) + 2 + 2 + (dialect == "sqlite")
    return parameters.rounds * of_a_round + outbox_drains.steps(parameters, dialect)


EXPERIMENT = Experiment(
    name="outbox",
    summary="Write, drain and time events with one relay and several, and beside other software on the same servers.",
    parameters=OutboxBenchParameters,
    run=run,
    rows=rows,
    unit="steps",
)
