"""The whole lab: all of it runs, or none of it. Only Redis may end and come back: the outbox is made for that."""

import http.client
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from qulab.local.commands import long_running, manage, with_environment
from qulab.local.log import Log
from qulab.local.postgres import LOG as POSTGRES_LOG
from qulab.local.postgres import PostgresServer, start_postgres
from qulab.local.processes import Ended, Processes
from qulab.local.redis_server import LOG as REDIS_LOG
from qulab.local.redis_server import RedisServer, start_redis
from qulab.local.spawn import ServiceError, guard

WEB_SECONDS = 60.0  # a slow machine imports for long
REDIS_AWAY_SECONDS = 5.0  # long enough to see on the pages what the lab does without it
# Three seconds in all: the processes, then a server that is still starting, then the servers.
STOP_SECONDS = 1.2
LATE_SERVER_SECONDS = 0.3
STOP_SERVERS_SECONDS = 0.5


class LabFailed(ServiceError):
    """A part of the lab ended, so the lab ended."""


class Asked(Exception):
    """Somebody wants the lab to end, by Ctrl-C or a signal. No error."""


@dataclass(frozen=True)
class Plan:
    """What to run and where. Without a URL the lab starts a server of its own.

    `owns_database`: it is the lab's own. `trusts_operator`: only who sits at this machine reaches it. `audience`: who
    may use the lab. `site_url` and `secret_key` are empty where the processes find them themselves.
    """

    project: Path
    folder: Path
    host: str
    port: int
    group: str
    database_url: str | None
    redis_url: str | None
    redis_folder: Path
    owns_database: bool = False
    trusts_operator: bool = False
    audience: str = "staff"
    site_url: str = ""
    secret_key: str = ""


@dataclass(frozen=True)
class ServiceStarted:
    future: Future[RedisServer] | Future[PostgresServer]


@dataclass(frozen=True)
class RedisDue:
    """The time without Redis is over."""


Event = Ended | ServiceStarted | RedisDue | Asked


class Lab:
    """`start()` it, `watch()` it until something happens, and `stop()` it whatever happened."""

    def __init__(self, plan: Plan, log: Log, lock: int) -> None:
        self.plan = plan
        self.events: SimpleQueue[Event] = SimpleQueue()
        self._log = log
        self._lock = lock
        self._processes = Processes(log, self.events.put, cwd=plan.project)
        self._threads = ThreadPoolExecutor(2)
        self._redis: Future[RedisServer] | None = None
        self._postgres: Future[PostgresServer] | None = None

    @property
    def redis(self) -> RedisServer | None:
        """The lab's own server, once it has started."""
        return self._redis.result() if self._redis else None

    @property
    def postgres(self) -> PostgresServer | None:
        return self._postgres.result() if self._postgres else None

    def start(self) -> None:
        """Start everything; returns when the web answers. Raises ServiceError, or Asked."""
        self._temporary.mkdir(exist_ok=True)
        self._start_services()
        self._prepare_database()
        plan = self.plan
        for command in long_running(host=plan.host, port=plan.port, folder=plan.folder, group=plan.group):
            arguments = with_environment(self._environment(), command.arguments)
            self._processes.start(command.name, arguments, then=command.then)
        self._wait_for_web()

    def watch(self) -> None:
        """Run until something ends it. Raises LabFailed, or Asked."""
        while True:
            self._next()

    def stop(self) -> None:
        """End everything within three seconds; the servers last, so that nobody complains of their absence."""
        self._processes.stop(STOP_SECONDS)
        stops = [
            threading.Thread(target=_stop_server, args=(server,), daemon=True)
            for server in (self._redis, self._postgres)
            if server is not None
        ]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()
        self._threads.shutdown(wait=False, cancel_futures=True)
        guard.close()
        shutil.rmtree(self._temporary, ignore_errors=True)

    @property
    def _temporary(self) -> Path:
        """For what the processes would leave in the system's folder when they are killed."""
        return self.plan.folder / "tmp"

    def _start_services(self) -> None:
        waiting = 0
        if self.plan.redis_url is None:
            self._start_redis(None)
            waiting += 1
        if self.plan.database_url is None:
            folder = self.plan.folder / "postgres"
            self._postgres = self._threads.submit(start_postgres, folder, keep=[self._lock])
            self._postgres.add_done_callback(lambda future: self.events.put(ServiceStarted(future)))
            waiting += 1
        while waiting:
            waiting -= isinstance(self._next(), ServiceStarted)

    def _start_redis(self, port: int | None) -> None:
        self._redis = self._threads.submit(start_redis, self.plan.redis_folder, port=port, keep=[self._lock])
        self._redis.add_done_callback(lambda future: self.events.put(ServiceStarted(future)))

    def _prepare_database(self) -> None:
        self._processes.start("prepare", with_environment(self._environment(), manage("prepare")), quiet=True)
        while not isinstance(self._next(), Ended):
            pass

    def _environment(self) -> dict[str, str]:
        environment = {
            "TMPDIR": str(self._temporary),
            "QULAB_LAB": self.plan.audience,
            "QULAB_LAB_OWNS_DATABASE": "1" if self.plan.owns_database else "0",
            "QULAB_LOCAL_OPERATOR": "1" if self.plan.trusts_operator else "0",
        }
        if self.plan.site_url:
            environment["QULAB_SITE_URL"] = self.plan.site_url
        if self.plan.secret_key:
            environment["DJANGO_SECRET_KEY"] = self.plan.secret_key
        if self.postgres is not None:
            environment["DATABASE_URL"] = self.postgres.url
        if self.redis is not None:
            environment["REDIS_URL"] = self.redis.url
            environment["QULAB_REDIS_EMULATED"] = "1" if self.redis.emulated else "0"
        return environment

    def _wait_for_web(self) -> None:
        deadline = time.monotonic() + WEB_SECONDS
        while not _answers(self.plan.host, self.plan.port):
            if time.monotonic() > deadline:
                raise LabFailed(f"The web process did not answer within {WEB_SECONDS:.0f} s. Its lines are above.")
            self._next(timeout=0.05)

    def _next(self, timeout: float | None = None) -> Event | None:
        """The next event, handled; None when there was none in time."""
        try:
            event = self.events.get(timeout=timeout)
        except Empty:
            return None
        match event:
            case Asked():
                raise event
            case Ended():
                self._handle_end(event)
            case ServiceStarted():
                self._watch_server(event)
            case RedisDue():
                assert self.redis is not None
                self._start_redis(self.redis.port)
        return event

    def _handle_end(self, ended: Ended) -> None:
        if ended.name == "prepare" and ended.code == 0:
            return
        if ended.name == "prepare":
            raise LabFailed(ended.last.removeprefix("CommandError: "))
        if ended.name != "redis":
            raise LabFailed(f"{ended}. So the lab ended.")
        self._log.write("lab", f"{ended}. Pages go on and events wait; it is back in {REDIS_AWAY_SECONDS:.0f} s.")
        timer = threading.Timer(REDIS_AWAY_SECONDS, self.events.put, [RedisDue()])
        timer.daemon = True
        timer.start()

    def _watch_server(self, started: ServiceStarted) -> None:
        server = started.future.result()  # raises what the start raised
        if isinstance(server, RedisServer):
            self._processes.watch("redis", server.process, self.plan.redis_folder / REDIS_LOG)
            self._log.write("redis", f"{server.version} answers on port {server.port}")
        else:
            self._processes.watch("postgres", server.process, server.folder / POSTGRES_LOG)
            self._log.write("postgres", f"answers in {server.sockets}")


def check_port(host: str, port: int) -> None:
    """Raises LabFailed when nothing can listen there."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OverflowError:
        raise LabFailed(f"{port} is no port: choose one from 1 to 65535 with --port.") from None
    except OSError as error:
        reason = reason_of(error)
        raise LabFailed(f"Cannot listen on {host}, port {port}: {reason}. Choose another one with --port.") from None


def reason_of(error: OSError) -> str:
    """The system's words alone: Python adds the address to them in some versions, and a failed look-up has its own."""
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _answers(host: str, port: int) -> bool:
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what to ask instead
    connection = http.client.HTTPConnection(address, port, timeout=1)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop_server(future: "Future[RedisServer] | Future[PostgresServer]") -> None:
    try:
        stop: Callable[[float], None] = future.result(timeout=LATE_SERVER_SECONDS).stop
    except Exception:  # noqa: BLE001 - a start that failed was reported when it failed
        return  # or it is still starting, and the guard kills it
    stop(STOP_SERVERS_SECONDS)
