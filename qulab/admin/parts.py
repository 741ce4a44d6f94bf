"""What several pages show in the same way: headings that order, tabs with counts, and actions to ask for."""

from collections.abc import Mapping
from typing import Any

import msgspec
from django.urls import reverse
from django.utils.translation import gettext as _

from qulab.admin import query, values
from qulab.admin.asked import Asked
from qulab.admin.declare import Action, Admin

OK, CONFLICT, UNPROCESSABLE, UNAVAILABLE = 200, 409, 422, 503


class Heading(msgspec.Struct, frozen=True):
    """A column's title. `href` orders by it; `order` is how the list is ordered by it now."""

    title: str
    numeric: bool
    href: str = ""
    order: str = ""


class Tab(msgspec.Struct, frozen=True):
    """Rows of one value of a filter; the value "" means all."""

    title: str
    href: str
    current: bool
    count: str
    value: str = ""


class Offer(msgspec.Struct, frozen=True):
    """A way on: to a list, to a form, or to an action that asks first."""

    title: str
    href: str
    danger: bool = False
    asks: bool = False


def headings(admin: Admin, question: Asked | None = None, *, without: str | None = None) -> list[Heading]:
    return [
        Heading(str(column.title), values.is_numeric(admin, column.name), *_sorting(column.sort, question))
        for column in admin.columns
        if column.name != without
    ]


def counted(admin: Admin, question: Asked) -> dict[str, Any]:
    """What to count: all that match, under the name "", and that of each tab."""
    tabs = admin.tabs
    common = query.clauses(admin, question, without=tabs)
    wanted = {"": query.counted(admin, *common)}
    if tabs is not None:
        wanted |= {value: query.counted(admin, *common, tabs.column == value) for value in tabs.choices}
    return wanted


def current(admin: Admin, question: Asked) -> str:
    """The tab that is open."""
    return str(question.values.get(admin.tabs.name) or "") if admin.tabs else ""


def tabs(admin: Admin, question: Asked, counts: Mapping[str, query.Count]) -> list[Tab]:
    if admin.tabs is None:
        return []
    name, opened = admin.tabs.name, current(admin, question)
    choices = {"": _("All"), **admin.tabs.choices}
    return [
        Tab(str(title), question.address(**{name: value}), value == opened, str(counts[value]), value)
        for value, title in choices.items()
    ]


def offer(admin: Admin, action: Action, asking: str = "") -> Offer:
    address = reverse("admin:action", args=[admin.name, action.name])
    return Offer(str(action.title), f"{address}?{asking}" if asking else address, action.danger, asks=True)


def exports(admin: Admin, question: Asked) -> list[Offer]:
    """The list as files, with the same filter and in the same order."""
    asking = question.address() if question.params else ""
    ways = {"csv": _("Export CSV"), "json": _("Export JSON")}
    return [Offer(title, reverse("admin:export", args=[admin.name, form]) + asking) for form, title in ways.items()]


def count_text(count: query.Count) -> str:
    return str(count)


def _sorting(name: str, question: Asked | None) -> tuple[str, str]:
    """The address that orders by `name`, or turns the order round; and the order there is now."""
    if not name or question is None:
        return "", ""
    if question.sort_name != name:
        return question.address(sort=name), ""
    if question.descending:
        return question.address(sort=name), "descending"
    return question.address(sort=f"-{name}"), "ascending"
