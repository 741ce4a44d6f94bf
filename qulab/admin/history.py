"""Who changed a row is told from the audit, and only where the audit knows: not every change is one by hand."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from qulab.access.person import Person
from qulab.admin import parts
from qulab.admin.audit import Via
from qulab.admin.declare import Admin, Shown
from qulab.admin.models import Audit
from qulab.admin.site import site
from qulab.db.session import Session

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

UNDOABLE = frozenset({"update", "undo"})
WITHOUT_ACCOUNT: "Mapping[str, StrPromise]" = {
    Via.COMMAND: gettext_lazy("a command"),
    Via.OPERATOR: gettext_lazy("the operator at this machine"),
}


async def latest(session: Session, admin: Admin, key: str) -> Audit | None:
    """The latest change of a row that staff made."""
    of_row = (Audit.list_name == admin.name, Audit.row_id == key)
    statement = select(Audit).where(*of_row).order_by(Audit.id.desc()).limit(1).options(joinedload(Audit.actor))
    found: Audit | None = await session.scalar(statement)
    return found


async def undoable(session: Session, admin: Admin, key: str, entry_id: str) -> Audit | None:
    """The change of this row that would be taken back; None where there is none of that id, or nothing is known."""
    if not is_id(entry_id):
        return None
    entry: Audit | None = await session.scalar(
        select(Audit).where(Audit.id == entry_id).options(joinedload(Audit.actor))
    )
    if entry is None or (entry.list_name, entry.row_id) != (admin.name, key) or not can_be_undone(entry):
        return None
    return entry


def can_be_undone(entry: Audit) -> bool:
    return entry.action in UNDOABLE and bool(entry.row_id) and bool(entry.changes)


def offers(entry: Any) -> list[parts.Offer]:
    """From an audit row to the form that takes the change back."""
    admin = next((one for one in site if one.name == entry.list_name and one.editing is not None), None)
    if admin is None or not can_be_undone(entry):
        return []
    return [parts.Offer(_("Undo"), undo_address(admin, entry.row_id, entry.id), asks=True)]


def undo_address(admin: Admin, key: str, entry_id: str) -> str:
    return f"{reverse('admin:edit', args=[admin.name, key])}?{urlencode({'undo': entry_id})}"


def who(entry: Audit, person: Person | None = None) -> str:
    """In words, for the eyes of `person`."""
    if entry.via in WITHOUT_ACCOUNT:
        return str(WITHOUT_ACCOUNT[entry.via])
    if person is not None and entry.actor_id == person.actor:
        return _("yourself")
    return entry.actor.name if entry.actor is not None else _("someone whose account is gone")


def nobody(entry: Any) -> Shown | None:
    """Who it was, in a table, where that is no account."""
    if entry.actor is not None:
        return None
    return Shown(str(WITHOUT_ACCOUNT.get(entry.via, _("account gone"))))


def undone(entry: Any) -> Shown | None:
    """An undo keeps the id of what it took back in the place of a reason."""
    if entry.action != "undo" or not is_id(entry.reason):
        return None
    return Shown(_("undoes an earlier change"), reverse("admin:detail", args=["audit", entry.reason]))


def is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
