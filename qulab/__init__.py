"""Importing the project makes its Celery app the current one, so that `@shared_task` binds to it."""

from qulab.celery import app as celery_app

__all__ = ["celery_app"]
