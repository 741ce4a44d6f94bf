"""What an app says about a list, in a few lines; a declaration that no index or column backs fails when it is made."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from django import forms
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from sqlalchemy import inspect

from qulab.admin.filters import Choice, Filter

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

NEWEST = "created"  # the sort that every list has, and begins with
MOST_DELETED = 10_000  # rows in one transaction, with what the database takes along


class Shown(msgspec.Struct, frozen=True):
    """Words for a value that says little by itself, and where they lead."""

    text: str
    href: str = ""


class Column(msgspec.Struct, frozen=True, eq=False):
    """A column of a list: an attribute of the model, or a many-to-one relationship, shown as a link.

    `shown` has words for the values of some rows.
    """

    name: str
    title: "StrPromise | str"
    sort: str = ""
    digits: int | None = None
    link: bool = False
    shown: Callable[[Any], Shown | None] = lambda row: None


class Sort(msgspec.Struct, frozen=True, eq=False):
    """An allowed order. `filtered_by`: a filter whose index goes on with another column, which then stands in."""

    column: Any
    ascending: "StrPromise | str"
    descending: "StrPromise | str"
    filtered_by: str = ""
    filtered_column: Any = None

    def keys(self, filtered: bool) -> tuple[Any, ...]:
        """The columns to order by. The id breaks ties, unless the column has none."""
        column = self.filtered_column if filtered else self.column
        model_id = column.class_.id
        return (column,) if column.key == "id" or column.property.columns[0].unique else (column, model_id)


class Link(msgspec.Struct, frozen=True, eq=False):
    """From a row to a list, filtered: by fixed values, and by the row's own attributes, if it has them."""

    title: "StrPromise | str"
    to: str
    values: Mapping[str, str] = {}
    attributes: Mapping[str, str] = {}


class Action(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What staff may do with rows, or those in one state. It is asked for, confirmed with its consequence, then done.

    `run(session, *where)` changes the rows, commits nothing, and returns how many there were; `most` of them at once.
    `oneself` is said where the row of the person who asks is among them.
    """

    name: str
    title: "StrPromise | str"
    question: Callable[[int], str]
    consequence: "StrPromise | str"
    done: Callable[[int], str]
    run: Callable[..., Awaitable[int]]
    field: str = ""
    value: str = ""
    not_applicable: "StrPromise | str" = ""
    reason: "StrPromise | str" = ""
    danger: bool = False
    most: int | None = None
    cascades: bool = False
    oneself: "StrPromise | str" = ""

    def applies(self, row: Any) -> bool:
        return not self.field or bool(getattr(row, self.field) == self.value)

    def may_apply(self, filters: Mapping[str, Any]) -> bool:
        """Whether it could apply to any row of a filtered list."""
        return not self.field or filters.get(self.field) in ("", None, self.value)


def deletion(
    *,
    question: Callable[[int], str],
    done: Callable[[int], str],
    run: Callable[..., Awaitable[int]],
    oneself: "StrPromise | str" = "",
    consequence: "StrPromise | str" = "",
) -> Action:
    """Delete rows with what the database takes along, which is shown first. `run` gets the session and clauses."""
    return Action(
        name="delete",
        title=_("Delete"),
        question=question,
        consequence=consequence or _("A deletion cannot be undone."),
        done=done,
        run=run,
        danger=True,
        most=MOST_DELETED,
        cascades=True,
        oneself=oneself,
    )


class NotByHand(Exception):
    """A value that nobody may give a field of this row here; the message says why, and what to do."""

    def __init__(self, field: str, why: "StrPromise | str") -> None:
        super().__init__(str(why))
        self.field = field


class Editing(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """How one row is made and mended. The functions are the app's own, write its events, and commit nothing.

    `change(session, key, version, **changes)` raises NotFound, Stale, Conflict and NotByHand; `create(session,
    **values)` raises Conflict, and returns the row; `new` is the heading of its form. The form's fields are columns;
    `taken` says at a field what a Conflict means there; `fixed` why there is nothing to edit in some rows.
    """

    form: type[forms.Form]
    change: Callable[..., Awaitable[Any]]
    create: Callable[..., Awaitable[Any]] | None = None
    new: "StrPromise | str" = ""
    taken: Mapping[str, "StrPromise | str"] = {}
    fixed: Callable[[Any], "StrPromise | str"] = lambda row: ""


class Group(msgspec.Struct, frozen=True, eq=False):
    """Attributes that belong together on the page of a row."""

    title: "StrPromise | str"
    names: Sequence[str]


class Admin(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One list with its pages. `label` names a row; `reference`: the attributes with class and id of a row meant.

    `along` names what a deletion takes from other tables, for a number of it; `fixed` says why there is nothing to
    edit; `offers` are what else a row leads to. Columns that are `large` may hold megabytes: no page loads them.
    `changes` is a column of values before and after. Lists stand in the order of their `rank`.
    """

    model: Any
    name: str
    title: "StrPromise | str"
    one: "StrPromise | str"
    about: "StrPromise | str"
    empty: "StrPromise | str"
    label: Callable[[Any], str]
    columns: Sequence[Column]
    sorts: Mapping[str, Sort]
    search: Sequence[Any] = ()
    search_hint: "StrPromise | str" = ""
    ids: Sequence[Any] = ()
    filters: Sequence[Filter] = ()
    tags: frozenset[str] = frozenset()
    groups: Sequence[Group] = ()
    related: Sequence[str] = ()
    links: Sequence[Link] = ()
    large: frozenset[str] = frozenset()
    changes: str = ""
    rank: int = 0
    actions: Sequence[Action] = ()
    reference: tuple[str, str] | None = None
    editing: Editing | None = None
    fixed: "StrPromise | str" = ""
    along: Mapping[str, Callable[[int], str]] = {}
    offers: Callable[[Any], Sequence[Any]] = lambda row: ()

    def __post_init__(self) -> None:
        if NEWEST not in self.sorts:
            raise ImproperlyConfigured(f"the list {self.name!r} needs a sort named {NEWEST!r}, which it begins with")
        for name, sort in self.sorts.items():
            _check_sort(f"{self.name}.{name}", sort.column)
        for action in self.actions:
            if action.field and action.field not in inspect(self.model).columns:
                raise ImproperlyConfigured(f"{self.name}.{action.name}: there is no column {action.field!r}")
        if self.editing is not None:
            _check_editing(self.name, self.model, self.editing)

    @property
    def has_new_rows(self) -> bool:
        """Whether rows are made by hand."""
        return self.editing is not None and self.editing.create is not None

    @property
    def tabs(self) -> Choice | None:
        return next((one for one in self.filters if isinstance(one, Choice)), None)


def _check_sort(name: str, attribute: Any) -> None:
    """A sort without an index would read the whole table for each page; NULL compares with nothing."""
    column = attribute.property.columns[0]
    indexed = column.primary_key or any(index.columns[0] is column for index in column.table.indexes)
    if column.nullable or not indexed:
        raise ImproperlyConfigured(f"the sort {name!r} needs a column that is never NULL and begins an index")


def _check_editing(name: str, model: Any, editing: Editing) -> None:
    """Only a version tells that a row changed under a form, and only a column can be shown beside what was typed."""
    if model.__mapper__.version_id_col is None:
        raise ImproperlyConfigured(f"the list {name!r} cannot be edited: its rows have no version")
    if others := editing.form.base_fields.keys() - inspect(model).columns.keys():
        raise ImproperlyConfigured(f"the form of {name!r} asks for what is no column: {', '.join(sorted(others))}")
