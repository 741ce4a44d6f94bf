"""A run ends in exactly one way, and its row says which: done, cancelled, or failed with a reason.

It is cancelled like any coroutine; the experiment gives back what it had opened before the row says so.
"""

import asyncio
import logging
import time
from typing import Any

import msgspec
from redis.exceptions import RedisError

from qulab.cache.client import get_streams
from qulab.db.base import utcnow
from qulab.db.engine import Database, get_database
from qulab.lab.experiments import Bench, Busy
from qulab.lab.experiments.environment import environment, load
from qulab.lab.models import Run, RunStatus
from qulab.lab.runs import RunRepository
from qulab.lab.runs.places import Place, needs_a_start, opened
from qulab.lab.runs.progress import Reporter
from qulab.lab.workbench import Workbench
from qulab.local import ServiceError

logger = logging.getLogger(__name__)

EVERY = 0.1  # seconds between two looks for a cancellation, and two reports
LONGEST = 120.0  # seconds
TOO_LONG = f"It took longer than {LONGEST:.0f} seconds. Ask for less."
BUSY = "Another run, perhaps `manage.py bench`, was measuring at the same time, and two would measure each other."
NO_REDIS = "Redis did not answer, and this experiment needs it."
STOPPED = "The worker was told to stop. Start the run again."


class Outcome(msgspec.Struct, frozen=True):
    """How a run ended, as its row says it."""

    status: RunStatus
    result: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    samples: list[Any] = []
    error: str | None = None


async def execute(run_id: str) -> None:
    """Measure a run that waits, and save what came of it. One that waits no more is left alone."""
    from qulab.lab.benches import BENCHES  # a workbench needs what runs are

    database = get_database()
    run = await _take(database, run_id)
    if run is None:
        return
    workbench = BENCHES[run.experiment]
    reporter = Reporter(get_streams(), run_id, workbench.experiment.unit)
    outcome = Outcome(RunStatus.FAILED, error=STOPPED)
    try:
        outcome = await _watched(workbench, run.parameters, reporter)
    finally:
        kept = msgspec.to_builtins(reporter.samples.kept)
        await asyncio.shield(_save(database, run_id, msgspec.structs.replace(outcome, samples=kept)))
        await reporter.end(outcome.status)


async def _take(database: Database, run_id: str) -> Run | None:
    async with database.writing() as session:
        taken = await RunRepository(session).update(
            Run.id == run_id, Run.status == RunStatus.QUEUED, status=RunStatus.RUNNING, started_at=utcnow()
        )
        await session.commit()
        return await RunRepository(session).get_by_id(run_id) if taken else None


async def _watched(workbench: Workbench, parameters: dict[str, Any], reporter: Reporter) -> Outcome:
    """Measure, and meanwhile report and look whether that is still wanted."""
    task = asyncio.create_task(_measured(workbench, parameters, reporter))
    ends_at, because = time.monotonic() + LONGEST, None
    try:
        while not (await asyncio.wait({task}, timeout=EVERY))[0]:
            await reporter.report()
            if because is None and await reporter.is_cancelled():
                because = Outcome(RunStatus.CANCELLED)
                task.cancel()
            elif because is None and time.monotonic() > ends_at:
                because = Outcome(RunStatus.FAILED, error=TOO_LONG)
                task.cancel()
    finally:
        if not task.done():  # the worker itself is told to stop
            task.cancel()
            await asyncio.wait({task})
    if task.cancelled():
        return because or Outcome(RunStatus.FAILED, error=STOPPED)
    return because if because is not None and task.exception() else task.result()


async def _measured(workbench: Workbench, parameters: dict[str, Any], reporter: Reporter) -> Outcome:
    experiment, place = workbench.experiment, Place(parameters["database"])
    try:
        if needs_a_start(place, get_database()):
            reporter.label = str(workbench.starting(place))
        load_before = load()
        async with opened(place) as beside, Bench(beside) as bench:
            bench.samples = reporter.samples
            reporter.label = ""
            given = msgspec.convert(parameters, experiment.parameters)
            result = await experiment.run(given, bench, reporter.progress)
            told = environment(bench, load_before)
    except Busy:
        return Outcome(RunStatus.FAILED, error=BUSY)
    except RedisError:
        return Outcome(RunStatus.FAILED, error=NO_REDIS)
    except ServiceError as error:
        return Outcome(RunStatus.FAILED, error=str(error))
    except Exception as error:  # the run's row is where a person looks for it
        logger.exception("the experiment %s failed", experiment.name)
        return Outcome(RunStatus.FAILED, error=f"It failed with {type(error).__name__}; the worker's log says more.")
    return Outcome(RunStatus.DONE, msgspec.to_builtins(result), told)


async def _save(database: Database, run_id: str, outcome: Outcome) -> None:
    async with database.writing() as session:
        values = {name: getattr(outcome, name) for name in outcome.__struct_fields__}
        await RunRepository(session).update(
            Run.id == run_id, Run.status == RunStatus.RUNNING, **values, finished_at=utcnow()
        )
        await session.commit()
