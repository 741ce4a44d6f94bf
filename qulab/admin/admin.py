"""The audit as staff see it: everybody's changes and exports. Nobody changes it here."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from qulab.admin import history
from qulab.admin.declare import Admin, Column, Sort
from qulab.admin.filters import Exact, OneOf, Period
from qulab.admin.models import Audit
from qulab.admin.site import site

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

# Beside the actions that lists declare.
ACTIONS: dict[str, "StrPromise | str"] = {
    "create": _("Create"),
    "update": _("Update"),
    "undo": _("Undo"),
    "export": _("Export"),
}


def _actions() -> Mapping[str, "StrPromise | str"]:
    return {**ACTIONS, **{action.name: action.title for admin in site for action in admin.actions}}


def _lists() -> Mapping[str, "StrPromise | str"]:
    return {admin.name: admin.title for admin in site}


def _label(entry: Audit) -> str:
    action, list_name = _actions().get(entry.action, entry.action), _lists().get(entry.list_name, entry.list_name)
    return f"{action} · {list_name}"


site.register(
    Admin(
        model=Audit,
        name="audit",
        title=_("Audit"),
        one=_("Audit entry"),
        about=_("Who made, changed, deleted or took which rows, when, and why."),
        empty=_("There are no entries yet: nobody changed or exported anything by hand."),
        fixed=_("An entry was stored with its change, and stays as it is."),
        rank=2,
        label=_label,
        columns=[
            Column("created_at", _("When (UTC)"), sort="created", link=True),
            Column("actor", _("Who"), shown=history.nobody),
            Column("via", _("As")),
            Column("action", _("Action")),
            Column("list_name", _("List")),
            Column("row_id", _("Row")),
            Column("rows", _("Rows")),
            Column("reason", _("Reason"), shown=history.undone),
        ],
        search=[Audit.reason],
        search_hint=_("Part of a reason, or an id"),
        ids=[Audit.row_id, Audit.actor_id],
        filters=[
            OneOf(Audit.list_name, _("List"), _lists),
            OneOf(Audit.action, _("Action"), _actions),
            Exact(Audit.row_id, _("Row id")),
            Exact(Audit.actor_id, _("User id of who it was"), "actor"),
            Period(Audit.created_at),
        ],
        sorts={"created": Sort(Audit.id, _("Oldest first"), _("Newest first"))},
        changes="changes",
        reference=("list_name", "row_id"),
        offers=history.offers,
    )
)
