"""`manage.py lab`: one command from a fresh clone to a lab that runs; one signal from there to nothing left running."""

import os
import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from ipaddress import ip_address
from secrets import token_urlsafe
from types import FrameType
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from sqlalchemy import make_url

from qulab.db.engine import sqlite_file
from qulab.local import ServiceError
from qulab.local.commands import QUEUES
from qulab.local.folder import claimed
from qulab.local.lab import Asked, Lab, Plan, check_port
from qulab.local.log import Log
from qulab.local.redis_server import describe, free_port

REDIS_SECONDS = 2.0  # for the answer of a server that was named


class Command(BaseCommand):
    help = "Start the whole lab: database, Redis, web, workers, beat and consumer. Ctrl-C ends it."
    requires_system_checks = ()  # each process of the lab runs its own

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="Port of the web server; 0 takes a free one.")
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on.")
        parser.add_argument("--postgres", action="store_true", help="Start PostgreSQL for it, instead of SQLite.")

    def handle(self, *args: Any, **options: Any) -> None:
        plan = _plan(host=options["host"], port=options["port"], postgres=options["postgres"])
        try:
            with claimed(plan.folder) as lock:
                check_port(plan.host, plan.port)
                _run(plan, lock)
        except (ServiceError, OSError) as error:
            raise CommandError(str(error)) from None


def _plan(*, host: str, port: int, postgres: bool) -> Plan:
    folder = settings.QULAB_DATA_DIR
    given = sqlite_file(make_url(settings.DATABASE_URL)) != folder / "qulab.db"
    if postgres and given:
        raise CommandError("DATABASE_URL is set, and --postgres would start another. Unset it or omit --postgres.")
    here_only = _is_loopback(host) and not settings.PRODUCTION
    port = port or free_port()
    return Plan(
        project=settings.BASE_DIR,
        folder=folder,
        host=host,
        port=port,
        group=settings.QULAB_CONSUMER_GROUP,
        database_url=None if postgres else settings.DATABASE_URL,
        redis_url=settings.REDIS_URL if settings.REDIS_URL_GIVEN else None,
        redis_folder=folder / f"redis-{_name_of_database(postgres=postgres, given=given)}",
        owns_database=not given or settings.LAB_OWNS_DATABASE,  # or somebody says that it may
        trusts_operator=here_only,
        site_url="" if settings.SITE_URL_GIVEN or not here_only else f"http://{_written(host)}:{port}",
        audience=settings.LAB if here_only or settings.LAB_GIVEN else "staff",
        secret_key="" if here_only or settings.SECRET_KEY != settings.DEVELOPMENT_KEY else token_urlsafe(64),
    )


def _written(host: str) -> str:
    """As a part of an address."""
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name, which may lead anywhere
        return False


def _name_of_database(*, postgres: bool, given: bool) -> str:
    """The marks that Redis keeps belong to one database, so each database has a Redis folder of its own."""
    if given:
        return sha256(settings.DATABASE_URL.encode()).hexdigest()[:12]
    return "postgres" if postgres else "sqlite"


def _run(plan: Plan, lock: int) -> None:
    started = time.monotonic()
    given_redis = _version_of_given_redis() if plan.redis_url else None
    log = Log(sys.stdout, on_closed=lambda: os.kill(os.getpid(), signal.SIGTERM))
    lab = Lab(plan, log, lock)
    with _told_of_signals(lambda: lab.events.put(Asked())):
        try:
            log.write("lab", "starting; Ctrl-C ends it")
            lab.start()
            for line in _announcement(lab, given_redis, time.monotonic() - started):
                log.write("lab", line)
            lab.watch()
        except Asked:
            log.write("lab", "stopping")
        finally:
            lab.stop()
    log.write("lab", "stopped")


@contextmanager
def _told_of_signals(tell: Callable[[], None]) -> Iterator[None]:
    def handler(_number: int, _frame: FrameType | None) -> None:
        tell()

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _version_of_given_redis() -> str:
    with redis.Redis.from_url(settings.REDIS_STREAMS_URL, socket_timeout=REDIS_SECONDS) as client:
        try:
            return describe(client.info("server"))
        except redis.RedisError as error:
            raise CommandError(
                f"REDIS_URL: no Redis answers at {_shown(settings.REDIS_URL)} ({error}). "
                "Start it, correct REDIS_URL, or unset it and the lab starts a Redis of its own."
            ) from None


def _announcement(lab: Lab, given_redis: str | None, seconds: float) -> Iterator[str]:
    plan = lab.plan
    yield f"QuLab answers at http://{_written(plan.host)}:{plan.port}/ after {seconds:.1f} s"
    yield f"  database  {_database_line(lab)}"
    yield f"  redis     {_redis_line(lab, given_redis)}"
    queues = f"the queues {' and '.join(QUEUES)}, the last also for mail"
    yield f"  workers   one for each of {queues}; beat, and consumer {plan.group}"
    yield f"  data      {plan.folder}"
    yield f"  lab       {_audience_line(plan)}; {_ownership_line(plan)}"
    if not plan.trusts_operator:
        yield "  network   others may reach it: nobody is staff without an account, and people see what is theirs alone"


AUDIENCES = {
    "off": "off: its addresses answer 404 (QULAB_LAB=off)",
    "staff": "for staff, who sign in; `manage.py createstaff` makes some, and QULAB_LAB=open lets everybody in",
    "open": "open to everybody who reaches it (QULAB_LAB=open)",
}


def _audience_line(plan: Plan) -> str:
    if plan.trusts_operator and plan.audience == "staff":
        return "for staff, and for who sits at this machine, who needs no account"
    if plan.trusts_operator and plan.audience == "open":
        return "open to this machine; no account needed"
    return AUDIENCES[plan.audience]


def _ownership_line(plan: Plan) -> str:
    if not plan.owns_database:
        return "it does not own the database: what deletes or changes its rows is refused"
    if plan.audience == "off":
        return "it owns its database"
    if plan.trusts_operator:
        return "it owns its database: section 2 can delete all of it, also people who signed up"
    return "it owns its database: who may use it sees and deletes all rows, also those of people who sign up"


def _database_line(lab: Lab) -> str:
    if lab.postgres is not None:
        return "PostgreSQL, started by the lab"
    url = make_url(settings.DATABASE_URL)
    file = sqlite_file(url)
    return f"SQLite in {file}" if file is not None else f"PostgreSQL at {url.render_as_string(hide_password=True)}"


def _redis_line(lab: Lab, given: str | None) -> str:
    if lab.redis is None:
        return f"{given} at {_shown(settings.REDIS_URL)}"
    if lab.redis.emulated:
        return "emulated by fakeredis, as there is no redis-server here: its figures say nothing about Redis"
    return f"{lab.redis.version} at {lab.redis.url}, started by the lab"


def _shown(url: str) -> str:
    """A URL without its user and password."""
    return make_url(url)._replace(username=None, password=None).render_as_string()
