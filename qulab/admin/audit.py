"""Who did what is added to the session of the change, and never committed by itself."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from qulab.access.person import Person
from qulab.admin.models import Audit
from qulab.db.session import Session


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
        filter=dict(filter or {}),
        reason=reason,
    )
    session.add(entry)
    return entry


def _via(person: Person | None) -> Via:
    if person is None:
        return Via.COMMAND
    return Via.OPERATOR if person.is_operator else Via.PERSON
