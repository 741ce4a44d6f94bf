"""A row with all its columns and what belongs to it: two statements, and one for each relationship."""

from typing import Any

import msgspec
from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from sqlalchemy import JSON, inspect, select
from sqlalchemy.orm import defer, joinedload

from qulab.admin import history, parts, query, values
from qulab.admin.declare import Admin, Link
from qulab.admin.filters import Exact
from qulab.admin.models import Audit
from qulab.admin.services import Saved
from qulab.admin.site import site
from qulab.db.session import Session

CREATED, CHANGED, SAME = "create", "update", "same"
DONE = {
    CREATED: gettext_lazy("This row is stored."),
    CHANGED: gettext_lazy("The change is stored."),
    SAME: gettext_lazy("Nothing was changed: the row had these values already."),
}
RELATED = 10  # rows of each relationship


class Related(msgspec.Struct, frozen=True):
    """The first rows of a relationship, how many there are, and the list of all."""

    admin: Admin
    headings: list[parts.Heading]
    rows: list[values.Row]
    count: str
    href: str


class Section(msgspec.Struct, frozen=True):
    title: str
    cells: list[values.Cell]


class Change(msgspec.Struct, frozen=True):
    """What became of one column."""

    name: str
    before: str
    after: str


class DetailPage(msgspec.Struct, frozen=True):
    admin: Admin
    key: str
    label: str
    fixed: str
    sections: list[Section]
    changes: list[Change]
    documents: list[values.Cell]
    related: list[Related]
    links: list[parts.Offer]
    offers: list[parts.Offer]
    done: str
    undo: str


def back(admin: Admin, done: str, saved: Saved) -> str:
    """The page of a row, which says what was done."""
    return f"{values.href(admin, saved.key)}?{urlencode({'done': done, 'entry': saved.entry})}"


async def detail_page(session: Session, admin: Admin, key: str, data: QueryDict) -> DetailPage | None:
    """The page of a row; None without such a row."""
    if "\x00" in key:
        return None  # PostgreSQL has no such text, and would call the question malformed
    references = [one.key for one in inspect(admin.model).relationships if not one.uselist]
    joins = [joinedload(getattr(admin.model, name)) for name in references]
    without = [defer(getattr(admin.model, name), raiseload=True) for name in admin.large]
    statement = select(admin.model).where(admin.model.id == key).options(*joins, *without)
    row = (await session.scalars(statement)).one_or_none()
    if row is None:
        return None
    asking = urlencode({"id": row.id})
    return DetailPage(
        admin=admin,
        key=row.id,
        label=admin.label(row),
        fixed=_fixed(admin, row),
        sections=_sections(admin, row, references, await _gone(session, admin, row)),
        changes=_changes(admin, row),
        documents=values.fields(admin, row, _documents(admin, row)),
        related=await _related(session, admin, row),
        links=[*(_link(link, row) for link in admin.links if _leads(link, row)), *_past(admin, row)],
        offers=[
            *_editing(admin, row),
            *(parts.offer(admin, action, asking) for action in admin.actions if action.applies(row)),
            *admin.offers(row),
        ],
        done=str(DONE.get(data.get("done", ""), "")),
        undo=_undo(admin, row.id, data),
    )


def _fixed(admin: Admin, row: Any) -> str:
    """Why there is nothing to edit; empty where there is."""
    return str(admin.fixed if admin.editing is None else admin.editing.fixed(row))


def _editing(admin: Admin, row: Any) -> list[parts.Offer]:
    if admin.editing is None or admin.editing.fixed(row):
        return []
    return [parts.Offer(_("Edit"), reverse("admin:edit", args=[admin.name, row.id]), asks=True)]


def _undo(admin: Admin, key: str, data: QueryDict) -> str:
    """The address that takes back what was just done. Whether there is such a change is looked up there."""
    entry = data.get("entry", "")
    return history.undo_address(admin, key, entry) if data.get("done") == CHANGED and history.is_id(entry) else ""


def _sections(admin: Admin, row: Any, references: list[str], gone: str) -> list[Section]:
    """Every column is in one place: in its group, in the rest, or among the documents; `gone` leads nowhere."""
    elsewhere = {name for group in admin.groups for name in group.names} | set(_json(admin))
    rest = [one.key for one in inspect(admin.model).column_attrs if one.key not in elsewhere]
    own = [values.own_reference(admin, row, name) for name in references]
    shown = {str(group.title): values.fields(admin, row, group.names) for group in admin.groups}
    shown[_("The row")] = own + values.fields(admin, row, rest)
    return [Section(title, [_without_way(cell, gone) for cell in cells]) for title, cells in shown.items()]


def _without_way(cell: values.Cell, gone: str) -> values.Cell:
    return msgspec.structs.replace(cell, href="") if cell.heading == gone else cell


async def _gone(session: Session, admin: Admin, row: Any) -> str:
    """The attribute that names a row which is not there any more; empty where there is none."""
    target = site.meant(getattr(row, admin.reference[0])) if admin.reference else None
    if admin.reference is None or target is None or not getattr(row, admin.reference[1]):
        return ""
    key = getattr(row, admin.reference[1])
    found = await session.scalar(select(target.model.id).where(target.model.id == key))
    return "" if found else admin.reference[1]


def _changes(admin: Admin, row: Any) -> list[Change]:
    pairs = getattr(row, admin.changes) if admin.changes else {}
    return [Change(name, values.text(before), values.text(after)) for name, (before, after) in pairs.items()]


def _past(admin: Admin, row: Any) -> list[parts.Offer]:
    """The way to what the audit has of this row."""
    if site.of(Audit) in (None, admin):
        return []
    asking = urlencode({"list_name": admin.name, "row_id": row.id})
    return [parts.Offer(_("Changes of this row"), f"{reverse('admin:list', args=['audit'])}?{asking}")]


def _json(admin: Admin) -> list[str]:
    return [one.key for one in inspect(admin.model).column_attrs if isinstance(one.columns[0].type, JSON)]


def _documents(admin: Admin, row: Any) -> list[str]:
    """An entry of the audit has either values or a filter: an empty one says nothing."""
    names = [name for name in _json(admin) if name not in {*admin.large, admin.changes}]
    return [name for name in names if getattr(row, name)] if admin.changes else names


async def _related(session: Session, admin: Admin, row: Any) -> list[Related]:
    wheres = {name: _foreign_key(admin, name) == row.id for name in admin.related}
    wanted = {name: query.counted(_target(admin, name), where) for name, where in wheres.items()}
    counts = await query.bounded_counts(session, wanted)
    return [
        _related_part(admin, name, row, counts[name], await _first(session, admin, name, where))
        for name, where in wheres.items()
    ]


async def _first(session: Session, admin: Admin, name: str, where: Any) -> list[values.Row]:
    target, here = _target(admin, name), query.relationship(admin, name).back_populates
    rows = await query.first_rows(session, target, where, limit=RELATED)
    return [values.row(target, one, without=here) for one in rows]


def _related_part(admin: Admin, name: str, row: Any, count: query.Count, rows: list[values.Row]) -> Related:
    target, key = _target(admin, name), _foreign_key(admin, name).key
    (by_key,) = [one.name for one in target.filters if isinstance(one, Exact) and one.column.key == key]
    address = f"{reverse('admin:list', args=[target.name])}?{urlencode({by_key: row.id})}"
    headings = parts.headings(target, without=query.relationship(admin, name).back_populates)
    return Related(target, headings, rows, str(count), address)


def _target(admin: Admin, name: str) -> Admin:
    target = site.of(query.relationship(admin, name).mapper.class_)
    assert target is not None, f"{admin.name}.{name} leads to a model without a list"
    return target


def _foreign_key(admin: Admin, name: str) -> Any:
    """The attribute of the other model that points here."""
    relationship = query.relationship(admin, name)
    (column,) = relationship.remote_side
    return getattr(relationship.mapper.class_, relationship.mapper.get_property_by_column(column).key)


def _leads(link: Link, row: Any) -> bool:
    return all(getattr(row, own) is not None for own in link.attributes.values())


def _link(link: Link, row: Any) -> parts.Offer:
    params = {**link.values, **{name: getattr(row, own) for name, own in link.attributes.items()}}
    return parts.Offer(str(link.title), f"{reverse('admin:list', args=[link.to])}?{urlencode(params)}")
