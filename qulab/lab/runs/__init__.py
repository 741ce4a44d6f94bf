"""What is read back is what was measured: a run returns as the frozen type it was saved as, or not at all."""

import os
import platform
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy
from django.conf import settings

from qulab.db.engine import Database
from qulab.db.repository import BaseRepository
from qulab.db.session import Session
from qulab.lab.experiments import Sample
from qulab.lab.models import UNDER_WAY, Run, RunStatus

Result = TypeVar("Result", bound=msgspec.Struct)


class Kind(Generic[Result]):
    """What one demonstration or experiment saves: the section that shows it, a name, and the type of its result."""

    known: dict[str, "Kind[Any]"] = {}

    def __init__(self, section: int, name: str, result: type[Result]) -> None:
        self.section = section
        self.name = name
        self.result = result
        self.known[name] = self


class SavedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as a page shows it. `result` is None until it is done."""

    id: str
    kind: str
    section: int
    parameters: dict[str, Any]
    result: Any
    environment: dict[str, Any]
    at: datetime
    status: RunStatus = RunStatus.DONE
    visitor: str = ""
    samples: list[Sample] = []
    error: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_done(self) -> bool:
        return self.status == RunStatus.DONE

    @property
    def is_under_way(self) -> bool:
        return self.status in UNDER_WAY

    @property
    def is_public(self) -> bool:
        """An experiment ran on scratch data; a demonstration may show people, unless it was held to the lab's users."""
        return bool(self.visitor or self.environment.get("own_users_only"))


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
    """Store what a demonstration gave and commit; returns its id."""
    run = Run(
        experiment=kind.name,
        parameters=msgspec.to_builtins(parameters or {}),
        result=msgspec.to_builtins(result),
        environment=environment(database) | {"own_users_only": not settings.LAB_OWNS_DATABASE},
    )
    await RunRepository(session).add(run)
    await session.commit()
    return run.id


async def find(session: Session, run_id: str, *, section: int | None = None) -> SavedRun | None:
    """The run, if `section` shows it. One that an older release saved in another form is not guessed at."""
    run = await RunRepository(session).get_by_id(run_id)
    kind = Kind.known.get(run.experiment) if run else None
    if run is None or kind is None or section not in {None, kind.section}:
        return None
    try:
        return _saved(run, kind)
    except msgspec.ValidationError:
        return None


def _saved(run: Run, kind: Kind[Any]) -> SavedRun:
    status = RunStatus(run.status)
    return SavedRun(
        id=run.id,
        kind=kind.name,
        section=kind.section,
        parameters=run.parameters,
        result=msgspec.convert(run.result, kind.result) if status == RunStatus.DONE else None,
        environment=run.environment,
        at=run.created_at,
        status=status,
        visitor=run.visitor,
        samples=msgspec.convert(run.samples, list[Sample]),
        error=run.error,
        started_at=run.started_at,
        finished_at=run.finished_at,
    )


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
