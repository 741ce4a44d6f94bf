"""An experiment that a page asked for runs in a worker of the queue `lab`: beside no other, and in no web process."""

from celery import shared_task

from qulab.db import worker
from qulab.lab.runs.worker import execute


@shared_task(name="qulab.lab.tasks.run_experiment")
def run_experiment(run_id: str) -> None:
    """Measure a run that waits in the table, and save what came of it."""
    worker.run(execute(run_id))
