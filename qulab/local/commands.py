"""What the lab starts: the commands that one would type by hand, with the addresses of the lab's own services."""

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

QUEUES = ("relay", "lab")  # each has a worker of its own, so that an experiment cannot starve the relay
ALSO = {"lab": "mail"}  # what a worker serves besides: here nobody needs one for mail alone


@dataclass(frozen=True)
class Command:
    """A process of the lab, and the signal that it obeys when SIGTERM takes too long."""

    name: str
    arguments: tuple[str, ...]
    then: int = signal.SIGTERM


def manage(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "manage.py", *arguments)


def with_environment(environment: Mapping[str, str], arguments: tuple[str, ...]) -> tuple[str, ...]:
    """`env` becomes the process it starts, so there is no process between."""
    settings = {"PYTHONUNBUFFERED": "1", **environment}
    return ("env", *(f"{name}={value}" for name, value in settings.items()), *arguments)


def long_running(*, host: str, port: int, folder: Path, group: str) -> list[Command]:
    # A worker that is told SIGQUIT drops its task; after SIGTERM alone it would finish it first.
    workers = [Command(f"worker-{queue}", _worker(queue), then=signal.SIGQUIT) for queue in QUEUES]
    return [
        Command("web", _web(host, port)),
        *workers,
        Command("beat", _celery("beat", "--schedule", str(folder / "celerybeat-schedule"), "--pidfile=")),
        Command("consumer", manage("consume", group)),
    ]


def _web(host: str, port: int) -> tuple[str, ...]:
    where = ("--host", host, "--port", str(port))
    quiet = ("--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "1")
    return (sys.executable, "-m", "uvicorn", *where, *quiet, "qulab.asgi:application")


def _worker(queue: str) -> tuple[str, ...]:
    # One worker for each queue: nobody to gossip or mingle with. Its heartbeat stays, /readyz lives by it.
    alone = ("--without-gossip", "--without-mingle")
    served = f"{queue},{ALSO[queue]}" if queue in ALSO else queue
    return _celery("worker", "-Q", served, "-n", f"{queue}@%h", "--pool", "prefork", "--concurrency", "1", *alone)


def _celery(*arguments: str) -> tuple[str, ...]:
    # Celery warns of root at each start; in a container that is who one is, and the lab listens on loopback.
    python = (sys.executable, "-W", "ignore:You're running the worker with superuser")
    return (*python, "-m", "celery", "--quiet", "--app", "qulab", *arguments, "--loglevel", "INFO")
