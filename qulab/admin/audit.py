"""Who did what is added to the session of the change, and never committed by itself."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import update

from qulab.access.person import Person
from qulab.admin.models import Audit
from qulab.db.session import Session

MOST_FORGOTTEN = 1000  # rows of one statement: databases bound the parameters


SEARCHED, HIDDEN = "q", "…"  # a search is for people, whose deletion it would outlive


class Via(StrEnum):
    PERSON = "person"
    OPERATOR = "operator"
    COMMAND = "command"


def record(
    session: Session,
    person: Person | None,
    *,
    action: str,
    list_name: str,
    row_id: str | None = None,
    rows: int = 1,
    changes: Mapping[str, Any] | None = None,
    filter: Mapping[str, Any] | None = None,  # noqa: A002 - the column's name
    reason: str = "",
) -> Audit:
    """Note a change. Without a person it is that of a command. Values must be JSON's."""
    entry = Audit(
        actor_id=person.actor if person else None,
        via=_via(person),
        action=action,
        list_name=list_name,
        row_id=row_id,
        rows=rows,
        changes=dict(changes or {}),
        filter={name: HIDDEN if name == SEARCHED else value for name, value in (filter or {}).items()},
        reason=reason,
    )
    session.add(entry)
    return entry


async def forget(session: Session, list_name: str, row_ids: Sequence[str]) -> None:
    """Take the values out of what is noted of these rows, which are deleted: what they were is nobody's any more."""
    for start in range(0, len(row_ids), MOST_FORGOTTEN):
        some = row_ids[start : start + MOST_FORGOTTEN]
        statement = update(Audit).where(Audit.list_name == list_name, Audit.row_id.in_(some)).values(changes={})
        await session.execute(statement.execution_options(synchronize_session=False))


def _via(person: Person | None) -> Via:
    if person is None:
        return Via.COMMAND
    return Via.OPERATOR if person.is_operator else Via.PERSON
