"""A form carries the version and the values that it began with: it overwrites nothing that it did not show."""

from collections.abc import Mapping
from typing import Any

import msgspec
from django import forms
from django.core import signing
from django.http import QueryDict
from django.utils.translation import gettext as _
from sqlalchemy import inspect, select

from qulab.access.person import Person
from qulab.admin import history, parts, services, values
from qulab.admin.declare import Admin, NotByHand
from qulab.admin.differences import Difference, Line, difference, gone, undone
from qulab.admin.models import Audit
from qulab.db.errors import Conflict, NotFound, Stale
from qulab.db.session import Session

OPENED = "opened"


class Opened(msgspec.Struct, frozen=True):
    """What a form showed when it was opened; `undo`: the audit row that it takes back."""

    version: int
    values: dict[str, Any]
    undo: str = ""


class Undo(msgspec.Struct, frozen=True):
    """What taking a change back would change; whose change it was, and when."""

    lines: list[Line]
    by: str
    at: str


class EditPage(msgspec.Struct, frozen=True, kw_only=True):
    """A form, empty, filled or refused; and what stands against it."""

    admin: Admin
    form: forms.Form
    status: int = parts.OK
    key: str = ""
    label: str = ""
    problem: str = ""
    undo: Undo | None = None
    opened: str = ""
    difference: Difference | None = None


class GonePage(msgspec.Struct, frozen=True, kw_only=True):
    """The row is not there any more; what was typed is."""

    admin: Admin
    lines: list[Line]
    by: str
    typed: list[tuple[str, str]]
    status: int = parts.CONFLICT


Page = EditPage | GonePage


def new_page(admin: Admin) -> EditPage:
    return EditPage(admin=admin, form=_form(admin))


async def add(session: Session, person: Person | None, admin: Admin, data: QueryDict) -> services.Saved | EditPage:
    """Store a new row; or the form again, with what stands against it."""
    form = _form(admin, data)
    status = parts.UNPROCESSABLE
    if form.is_valid():
        try:
            return await services.create(session, person, admin, _cleaned(admin, form))
        except Conflict as conflict:
            _tell(admin, form, conflict)
            status = parts.CONFLICT
    await session.stop_writing()
    return EditPage(admin=admin, form=form, status=status)


async def edit_page(session: Session, person: Person | None, admin: Admin, key: str, undo: str = "") -> EditPage | None:
    """The form of a row, or with what was there before a change. None without such a row, or such a change."""
    row = await _row(session, admin, key)
    entry = await history.undoable(session, admin, key, undo) if undo and row is not None else None
    if row is None or (undo and entry is None):
        return None
    page = EditPage(
        admin=admin,
        key=key,
        label=admin.label(row),
        form=_form(admin, initial=_values(admin, row)),
        opened=signed(admin, row, undo),
    )
    return _undoing(page, person, entry, _values(admin, row)) if entry is not None else page


async def save(
    session: Session, person: Person | None, admin: Admin, key: str, data: QueryDict
) -> services.Saved | Page:
    """Store what was changed; or the form again, beside what stands against it."""
    form, token = _form(admin, data), str(data.get(OPENED, ""))
    opened = _opened(admin, key, token)
    if opened is None:
        return await _again(
            session, person, admin, key, form, problem=_("What this form began with is not known. Look again.")
        )
    if not form.is_valid():
        return await _again(session, person, admin, key, form, opened=token, before=opened)
    try:
        changed = _cleaned(admin, form)
        return await services.change(session, person, admin, key, opened.version, changed, undone=opened.undo)
    except NotFound:
        return await _again(session, person, admin, key, form, before=opened)
    except Conflict as conflict:
        _tell(admin, form, conflict)
        return await _again(session, person, admin, key, form, parts.CONFLICT, opened=token, before=opened)
    except NotByHand as refused:
        form.add_error(refused.field, str(refused))
        return await _again(session, person, admin, key, form, opened=token, before=opened)
    except Stale:
        return await _stale(session, person, admin, key, form, opened)


async def _again(
    session: Session,
    person: Person | None,
    admin: Admin,
    key: str,
    form: forms.Form,
    status: int = parts.UNPROCESSABLE,
    *,
    problem: str = "",
    opened: str = "",
    before: Opened | None = None,
) -> Page:
    """The form as it was sent. Without what it began with, that is the row as it is now."""
    await session.stop_writing()
    row = await _row(session, admin, key)
    if row is None:
        return await _gone(session, person, admin, key, form, before)
    return EditPage(
        admin=admin,
        key=key,
        label=admin.label(row),
        form=form,
        status=status,
        problem=problem,
        opened=opened or signed(admin, row),
    )


async def _stale(
    session: Session, person: Person | None, admin: Admin, key: str, form: forms.Form, opened: Opened
) -> Page:
    """What came in between, and the form with both changes; where both touched a field, with what was typed."""
    await session.stop_writing()
    row = await _row(session, admin, key)
    if row is None:
        return await _gone(session, person, admin, key, form, opened)
    now, yours = _values(admin, row), _plain(_cleaned(admin, form))
    merged = {name: yours[name] if yours[name] != opened.values.get(name) else now[name] for name in yours}
    entry = await history.latest(session, admin, key)
    return EditPage(
        admin=admin,
        key=key,
        label=admin.label(row),
        form=_form(admin, initial=merged),
        status=parts.CONFLICT,
        opened=signed(admin, row, opened.undo),
        difference=difference(form, opened.values, now, yours, row.updated_at, entry, person),
    )


async def _gone(
    session: Session, person: Person | None, admin: Admin, key: str, form: forms.Form, opened: Opened | None
) -> GonePage:
    entry = await history.latest(session, admin, key)
    return GonePage(
        admin=admin,
        lines=gone(form, opened.values if opened else {}),
        by=history.who(entry, person) if entry is not None and entry.action == "delete" else "",
        typed=[(name, form.data.get(name, "")) for name in form.fields],
    )


def _undoing(page: EditPage, person: Person | None, entry: Audit, now: Mapping[str, Any]) -> EditPage:
    """The form with what was there before that change."""
    before = {name: change[0] for name, change in entry.changes.items() if name in now}
    form = _form(page.admin, initial={**now, **before})
    undo = Undo(undone(form, now, entry.changes), history.who(entry, person), values.moment(entry.created_at))
    return msgspec.structs.replace(page, form=form, undo=undo)


def _tell(admin: Admin, form: forms.Form, conflict: Conflict) -> None:
    """Say at its field what a constraint refused."""
    assert admin.editing is not None
    field = conflict.field if conflict.field in form.fields else None
    message = admin.editing.taken.get(field or "", _("Another row has this already."))
    form.add_error(field, str(message))


def _form(admin: Admin, data: QueryDict | None = None, initial: dict[str, Any] | None = None) -> forms.Form:
    assert admin.editing is not None
    shown = {name: _without_zero(value) for name, value in (initial or {}).items()}
    return admin.editing.form(data, initial=shown)


def _without_zero(value: Any) -> Any:
    """3, not 3.0: what a person would type."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


async def _row(session: Session, admin: Admin, key: str) -> Any:
    statement = select(admin.model).where(admin.model.id == key)
    return await session.scalar(statement.execution_options(populate_existing=True))


def _values(admin: Admin, row: Any) -> dict[str, Any]:
    assert admin.editing is not None
    return _plain({name: getattr(row, name) for name in admin.editing.form.base_fields})


def _plain(some: Mapping[str, Any]) -> dict[str, Any]:
    return {name: services.plain(value) for name, value in some.items()}


def _cleaned(admin: Admin, form: forms.Form) -> dict[str, Any]:
    """What would be stored: where a column may be empty, no text is no value."""
    columns = inspect(admin.model).columns
    return {
        name: None if value == "" and columns[name].nullable else value for name, value in form.cleaned_data.items()
    }


def signed(admin: Admin, row: Any, undo: str = "") -> str:
    """What a form of this row begins with; nobody but this page can say it."""
    opened = Opened(services.version_of(row), _values(admin, row), undo)
    return signing.dumps(msgspec.to_builtins(opened), salt=_salt(admin, row.id), compress=True)


def _opened(admin: Admin, key: str, text: str) -> Opened | None:
    """What a form says it began with; None where that was not said by this page."""
    try:
        return msgspec.convert(signing.loads(text, salt=_salt(admin, key)), Opened)
    except (signing.BadSignature, msgspec.ValidationError, ValueError):
        return None


def _salt(admin: Admin, key: str) -> str:
    return f"qulab.admin.editing:{admin.name}:{key}"
