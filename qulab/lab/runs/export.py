"""What leaves the lab is all that was kept of a run: nothing is rounded, and nothing is left out."""

import csv
import io
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select

from qulab.db.session import Session
from qulab.lab.models import Run, RunStatus
from qulab.lab.runs import SavedRun
from qulab.lab.workbench import Workbench

PAGE = 30  # runs on one page of the list


class Listed(msgspec.Struct, frozen=True):
    """A run in the list, without result and samples."""

    id: str
    kind: str
    status: RunStatus
    parameters: dict[str, Any]
    environment: dict[str, Any]
    visitor: str
    at: datetime

    @property
    def place(self) -> str:
        """The database that was measured with its version, or that was chosen."""
        return str(self.environment.get("database") or self.parameters.get("database", ""))

    @property
    def shown(self) -> dict[str, Any]:
        """The parameters but for what has a column of its own, or was only expected."""
        return {name: value for name, value in self.parameters.items() if name not in {"database", "expected"}}


class ListedPage(msgspec.Struct, frozen=True):
    """`before` names the place where the next page begins; None on the last one."""

    runs: list[Listed]
    before: str | None


async def listed(session: Session, kinds: list[str], *, before: str | None = None) -> ListedPage:
    """The newest runs of these kinds, or those older than the run `before`. Ids are in the order of time."""
    columns = (Run.id, Run.experiment, Run.status, Run.parameters, Run.environment, Run.visitor, Run.created_at)
    statement = select(*columns).where(Run.experiment.in_(kinds)).order_by(Run.id.desc()).limit(PAGE + 1)
    if before and "\x00" not in before:
        statement = statement.where(Run.id < before)
    found = [Listed(row[0], row[1], RunStatus(row[2]), *row[3:]) for row in (await session.execute(statement)).all()]
    return ListedPage(found[:PAGE], found[PAGE - 1].id if len(found) > PAGE else None)


def as_json(run: SavedRun) -> str:
    document = {
        "id": run.id,
        "experiment": run.kind,
        "status": run.status,
        "error": run.error,
        "parameters": run.parameters,
        "asked_at": run.at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "environment": run.environment,
        "result": run.result,
        "samples": [{"series": one.series, "x": one.x, "y": one.y} for one in run.samples],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def as_csv(run: SavedRun, workbench: Workbench) -> str:
    """One line for each raw sample."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["series", str(workbench.x_label), str(workbench.y_label)])
    writer.writerows((one.series, one.x, one.y) for one in run.samples)
    return text.getvalue()
