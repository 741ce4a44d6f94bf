"""An experiment that a page asked for runs in a worker of the queue `lab`: beside no other, and in no web process."""

import logging
import os
from datetime import timedelta

from celery import shared_task
from django.conf import settings

from qulab.db import worker
from qulab.db.base import utcnow
from qulab.db.engine import get_database
from qulab.lab.runs.queue import prune
from qulab.lab.runs.worker import ENDS_WITHIN, LONGEST, StillMeasures, execute

logger = logging.getLogger(__name__)


# Celery ends the process of a run whose event loop does not turn any more, so that it could not end it by itself.
@shared_task(name="qulab.lab.tasks.run_experiment", time_limit=LONGEST + 3 * ENDS_WITHIN)
def run_experiment(run_id: str) -> None:
    """Measure a run that waits in the table, and save what came of it."""
    try:
        worker.run(execute(run_id))
    except StillMeasures:
        logger.exception("run %s: the worker's process ends, and Celery starts another one", run_id)
        os._exit(1)  # nothing else ends what does not listen


@shared_task(name="qulab.lab.tasks.prune_runs")
def prune_runs() -> int:
    """Delete runs that are older than their retention; returns how many."""
    return worker.run(_prune())


async def _prune() -> int:
    days: int = settings.LAB_RETENTION_DAYS
    async with get_database().writing() as session:
        deleted = await prune(session, before=utcnow() - timedelta(days=days))
    logger.info("pruned %d runs of the lab older than %d days", deleted, days)
    return deleted
