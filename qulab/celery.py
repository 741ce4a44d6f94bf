"""The Celery app, and the heartbeats by which `/readyz` knows that its processes are alive.

Two queues, each with a worker of its own: an experiment on `lab` cannot hold up the relay on `relay`.
"""

import logging
import os
from typing import Any

from celery import Celery, signals
from kombu.exceptions import OperationalError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qulab.settings")

app = Celery("qulab")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

logger = logging.getLogger(__name__)


@signals.worker_process_init.connect
def _open_child(**_: Any) -> None:
    from qulab.db import worker

    worker.start()


@signals.worker_process_shutdown.connect
def _close_child(**_: Any) -> None:
    from qulab.db import worker

    worker.stop()


@signals.heartbeat_sent.connect
def _worker_is_alive(sender: Any, **_: Any) -> None:
    """Celery calls this every two seconds in a worker that is connected to its broker."""
    queues = {queue.name for queue in app.amqp.queues.consume_from.values()}
    for queue in queues & {"relay", "lab"}:
        _say_alive(f"worker-{queue}")


@signals.before_task_publish.connect
def _beat_is_alive(sender: str = "", **_: Any) -> None:
    """Only beat publishes the tick."""
    if sender == "outbox.tasks.relay_events":
        _say_alive("beat")


def _say_alive(name: str) -> None:
    from redis.exceptions import RedisError

    from qulab.cache import heartbeat

    key, value = heartbeat.written(name)
    try:
        _redis().set(key, value, ex=heartbeat.LIFETIME)
    except (RedisError, OSError, OperationalError) as error:
        logger.debug("no heartbeat for %s: %s", name, error)  # its absence is what /readyz reports


_client: Any = None


def _redis() -> Any:
    """A synchronous client: these signals run outside any event loop, and before or beside the children."""
    global _client
    if _client is None:
        from django.conf import settings
        from redis import Redis

        _client = Redis.from_url(settings.REDIS_STREAMS_URL, socket_timeout=1, socket_connect_timeout=1)
    return _client
