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
ENDS_WITHIN = 10.0  # seconds after it was told to
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


class StillMeasures(Exception):
    """An experiment goes on although it was told to end. Its process must go, or it would disturb the next."""


async def execute(run_id: str) -> None:
    """Measure a run that waits and save what came of it; one that waits no more is left alone. Raises StillMeasures."""
    from qulab.lab.benches import BENCHES  # a workbench needs what runs are

    database = get_database()
    run = await _take(database, run_id)
    if run is None:
        return
    workbench = BENCHES[run.experiment]
    reporter = Reporter(get_streams(), run_id, workbench.experiment.unit)
    outcome = Outcome(RunStatus.FAILED, error=STOPPED)
    task = asyncio.create_task(_measured(workbench, run.parameters, reporter))
    try:
        outcome = await _watched(task, reporter)
    finally:
        kept = msgspec.to_builtins(reporter.samples.kept)
        await asyncio.shield(_save(database, run_id, msgspec.structs.replace(outcome, samples=kept)))
        await reporter.end(outcome.status)
    if not task.done():
        raise StillMeasures


async def _take(database: Database, run_id: str) -> Run | None:
    async with database.writing() as session:
        taken = await RunRepository(session).update(
            Run.id == run_id, Run.status == RunStatus.QUEUED, status=RunStatus.RUNNING, started_at=utcnow()
        )
        await session.commit()
        return await RunRepository(session).get_by_id(run_id) if taken else None


async def _watched(task: "asyncio.Task[Outcome]", reporter: Reporter) -> Outcome:
    """How the task ended, or why it was told to. Meanwhile report, and look whether it is still wanted."""
    ends_at = time.monotonic() + LONGEST
    try:
        while not (await asyncio.wait({task}, timeout=EVERY))[0]:
            await reporter.report()
            if await reporter.is_cancelled():
                return await _ended(task, Outcome(RunStatus.CANCELLED))
            if time.monotonic() > ends_at:
                return await _ended(task, Outcome(RunStatus.FAILED, error=TOO_LONG))
    except asyncio.CancelledError:  # the worker itself is told to stop
        await _ended(task, Outcome(RunStatus.FAILED, error=STOPPED))
        raise
    return task.result()


async def _ended(task: "asyncio.Task[Outcome]", because: Outcome) -> Outcome:
    """Cancel the task and wait for its end, for a while. Only a result that came in the same moment counts."""
    task.cancel()
    await asyncio.wait({task}, timeout=ENDS_WITHIN)
    was_done = task.done() and not task.cancelled() and task.result().status == RunStatus.DONE
    return task.result() if was_done else because


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
