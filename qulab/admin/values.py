"""What a template gets of a row is text that is ready to be read: nothing is looked up or worked out there."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from sqlalchemy import Integer, Numeric, inspect

from qulab.admin.declare import Admin, Column, Shown
from qulab.admin.site import site
from qulab.db.base import ID_LENGTH

LONGEST_VALUE = 20_000  # characters in the page of a row; an export has all of them
LONGEST = 80  # characters of a text in a list; the page of the row has it whole
ID_END = 12  # characters of an id in a list: those that differ between rows of one moment
NOTHING = "–"


class Kind(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    ID = "id"
    TIME = "time"
    TAG = "tag"
    JSON = "json"
    NONE = "none"


class Cell(msgspec.Struct, frozen=True):
    """One value. `full` is the whole of what `text` shortens; `href` leads to the row that is meant."""

    heading: str
    kind: Kind
    text: str
    full: str = ""
    href: str = ""
    numeric: bool = False


class Row(msgspec.Struct, frozen=True):
    key: str
    label: str
    href: str
    cells: list[Cell]


def href(admin: Admin, key: str) -> str:
    return reverse("admin:detail", args=[admin.name, key])


def row(admin: Admin, instance: Any, *, without: str | None = None) -> Row:
    """A row as a list shows it; `without` a column that says the same in each."""
    cells = [_list_cell(admin, column, instance) for column in admin.columns if column.name != without]
    return Row(instance.id, _shortened(admin.label(instance)), href(admin, instance.id), cells)


def fields(admin: Admin, instance: Any, names: Sequence[str]) -> list[Cell]:
    """Attributes by their names in the database, whole but for what nobody reads in a page."""
    return [_field(admin, instance, name) for name in names]


def is_numeric(admin: Admin, name: str) -> bool:
    """Whether a column of that name holds numbers."""
    column = inspect(admin.model).columns.get(name)
    return column is not None and isinstance(column.type, Integer | Numeric)


def text(value: Any) -> str:
    """A value in a sentence or a table of values."""
    return _formatted(value)[1]


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _list_cell(admin: Admin, column: Column, instance: Any) -> Cell:
    value, heading = getattr(instance, column.name), str(column.title)
    if shown := column.shown(instance):
        return _in_words(heading, shown)
    if column.name in inspect(admin.model).relationships:
        return reference(heading, value)
    kind, text = _formatted(value, column.digits)
    address = href(admin, instance.id) if column.link else ""
    kind = Kind.TAG if column.name in admin.tags and text else kind
    if _is_id(admin, column.name) and len(text) == ID_LENGTH:
        return Cell(heading, Kind.ID, f"…{text[-ID_END:]}", text, address)
    short = _shortened(text) if kind is not Kind.TIME else text.partition(".")[0]
    return Cell(heading, kind, short, text, address, is_numeric(admin, column.name))


def _in_words(heading: str, shown: Shown) -> Cell:
    return Cell(heading, Kind.TEXT if shown.href else Kind.NONE, shown.text, shown.text, shown.href)


def _words(admin: Admin, instance: Any, name: str) -> Shown | None:
    return next((column.shown(instance) for column in admin.columns if column.name == name), None)


def _field(admin: Admin, instance: Any, name: str) -> Cell:
    if shown := _words(admin, instance, name):
        return _in_words(name, shown)
    kind, text = _formatted(getattr(instance, name))
    kind = Kind.TAG if name in admin.tags and text else kind
    kind = Kind.ID if _is_id(admin, name) and text else kind
    text = _bounded(text)
    return Cell(name, kind, text, text, _meant(admin, instance, name))


def _meant(admin: Admin, instance: Any, name: str) -> str:
    """The address of the row that an attribute names, by a class name beside it."""
    if admin.reference is None or name != admin.reference[1]:
        return ""
    target = site.meant(getattr(instance, admin.reference[0]))
    return href(target, getattr(instance, name)) if target and getattr(instance, name) else ""


def own_reference(admin: Admin, instance: Any, name: str) -> Cell:
    """A many-to-one relationship on the page of a row."""
    if shown := _words(admin, instance, name):
        return _in_words(name, shown)
    return reference(name, getattr(instance, name))


def reference(heading: str, instance: Any) -> Cell:
    target = site.of(type(instance)) if instance is not None else None
    if target is None:
        return Cell(heading, Kind.NONE, NOTHING)
    label = target.label(instance)
    return Cell(heading, Kind.TEXT, _shortened(label), label, href(target, instance.id))


def _formatted(value: Any, digits: int | None = None) -> tuple[Kind, str]:
    match value:
        case None | "":
            return Kind.NONE, NOTHING
        case bool():
            return Kind.TEXT, _("yes") if value else _("no")
        case float() | int():
            return Kind.NUMBER, f"{value:.{digits}f}" if digits is not None else f"{value!r}".removesuffix(".0")
        case datetime():
            return Kind.TIME, value.strftime("%Y-%m-%d %H:%M:%S.%f")
        case dict() | list():
            return Kind.JSON, msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
        case _:
            return Kind.TEXT, str(value)


def _is_id(admin: Admin, name: str) -> bool:
    return name == "id" or name.endswith("_id")


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _bounded(text: str) -> str:
    more = len(text) - LONGEST_VALUE
    if more <= 0:
        return text
    rest = ngettext("… and %(n)s more character", "… and %(n)s more characters", more) % {"n": f"{more:,}"}
    return f"{text[:LONGEST_VALUE]}\n{rest}"
