"""What is read back is what was measured: a run returns as the frozen type it was saved as, or not at all."""

import os
import platform
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy

from qulab.db.engine import Database
from qulab.db.repository import BaseRepository
from qulab.db.session import Session
from qulab.lab.models import Run

Result = TypeVar("Result", bound=msgspec.Struct)


class Kind(Generic[Result]):
    """What one demonstration saves: the section that shows it, the name of its runs, and the type of its result."""

    known: dict[str, "Kind[Any]"] = {}

    def __init__(self, section: int, name: str, result: type[Result]) -> None:
        self.section = section
        self.name = name
        self.result = result
        self.known[name] = self


class SavedRun(msgspec.Struct, frozen=True):
    """A run as a page shows it."""

    id: str
    kind: str
    section: int
    parameters: dict[str, Any]
    result: Any
    environment: dict[str, Any]
    at: datetime


class RunRepository(BaseRepository[Run]):
    """Saved runs."""


async def save(
    session: Session,
    kind: Kind[Result],
    result: Result,
    *,
    database: Database,
    parameters: msgspec.Struct | dict[str, Any] | None = None,
) -> str:
    """Store a run and commit; returns its id."""
    run = Run(
        experiment=kind.name,
        parameters=msgspec.to_builtins(parameters or {}),
        result=msgspec.to_builtins(result),
        environment=environment(database),
    )
    await RunRepository(session).add(run)
    await session.commit()
    return run.id


async def find(session: Session, section: int, run_id: str) -> SavedRun | None:
    """The run, if this section shows it. One that an older release saved in another form is not guessed at."""
    run = await RunRepository(session).get_by_id(run_id)
    kind = Kind.known.get(run.experiment) if run else None
    if run is None or kind is None or kind.section != section:
        return None
    try:
        result = msgspec.convert(run.result, kind.result)
    except msgspec.ValidationError:
        return None
    return SavedRun(run.id, kind.name, section, run.parameters, result, run.environment, run.created_at)


def database_name(database: Database) -> str:
    return {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[database.dialect]


def environment(database: Database) -> dict[str, Any]:
    """Where a figure was measured: without it, it compares with nothing."""
    version = getattr(database.engine.dialect, "server_version_info", None) or ()
    return {
        "database": f"{database_name(database)} {'.'.join(map(str, version))}".strip(),
        "python": platform.python_version(),
        "sqlalchemy": sqlalchemy.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
    }
