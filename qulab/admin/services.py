"""A change by hand and the audit row that tells of it are committed together, once: both, or neither."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, select

from qulab.access.person import Person
from qulab.admin import audit
from qulab.admin.declare import Action, Admin, Editing
from qulab.db.errors import NotFound, Stale
from qulab.db.retry import retried
from qulab.db.session import Session


class MoreThanConfirmed(Exception):
    """More rows match by now than were confirmed, so none was changed. Ask again."""


class Saved(msgspec.Struct, frozen=True):
    """A row that was stored. `entry`: the audit row of it; empty where the row had these values already."""

    key: str
    entry: str = ""


@retried
async def create(session: Session, person: Person | None, admin: Admin, values: Mapping[str, Any]) -> Saved:
    """Store a new row. Raises Conflict."""
    make = _editing(admin).create
    assert make is not None, f"rows of {admin.name} are not made by hand"
    row = await make(session, **values)
    changes = {name: [None, plain(value)] for name, value in values.items() if value not in (None, "")}
    entry = audit.record(session, person, action="create", list_name=admin.name, row_id=row.id, changes=changes)
    await session.commit()
    return Saved(row.id, entry.id)


@retried
async def change(
    session: Session,
    person: Person | None,
    admin: Admin,
    key: str,
    version: int,
    values: Mapping[str, Any],
    *,
    undone: str = "",
) -> Saved:
    """Store what differs, if the row is still of that version. `undone`: the audit row that this takes back.

    Raises NotFound, Stale and Conflict; values that the row has already change nothing, whatever its version.
    """
    row = await session.scalar(
        select(admin.model).where(admin.model.id == key).execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound(admin.model, key)
    before = {name: getattr(row, name) for name in values}
    changed = {name: value for name, value in values.items() if value != before[name]}
    if not changed:
        return Saved(key)
    if version_of(row) != version:
        raise Stale
    await _editing(admin).change(session, key, version, **changed)
    entry = audit.record(
        session,
        person,
        action="undo" if undone else "update",
        list_name=admin.name,
        row_id=key,
        changes={name: [plain(before[name]), plain(value)] for name, value in changed.items()},
        reason=undone,
    )
    await session.commit()
    return Saved(key, entry.id)


@retried
async def act(
    session: Session,
    person: Person | None,
    admin: Admin,
    action: Action,
    *where: ColumnElement[bool],
    at_most: int,
    row_id: str | None = None,
    filter: Mapping[str, Any],  # noqa: A002 - the column's name
    reason: str = "",
) -> int:
    """Do it to these rows; returns how many there were, which is what the audit says. Raises MoreThanConfirmed."""
    count = await action.run(session, *where, **({"reason": reason} if action.reason else {}))
    if count > at_most:
        await session.rollback()
        raise MoreThanConfirmed
    if not count:
        return 0
    audit.record(
        session,
        person,
        action=action.name,
        list_name=admin.name,
        row_id=row_id,
        rows=count,
        filter=filter,
        reason=reason,
    )
    await session.commit()
    return count


def version_of(row: Any) -> int:
    """How often the row was changed."""
    column = row.__mapper__.version_id_col
    version: int = getattr(row, row.__mapper__.get_property_by_column(column).key)
    return version


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    return value.isoformat() if isinstance(value, datetime | date) else value


def _editing(admin: Admin) -> Editing:
    assert admin.editing is not None, f"rows of {admin.name} are not edited"
    return admin.editing
