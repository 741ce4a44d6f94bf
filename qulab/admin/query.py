"""A page costs two statements for any number of rows: its rows by keyset, and counts that stop at a bound.

Where a search or filter narrows the list, the table is read at most once for it: what matches is found first, in no
order and up to a bound. The page is then taken from those rows, and counted by them.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, inspect, literal, or_, select
from sqlalchemy.orm import RelationshipProperty, joinedload, load_only

from qulab.admin.asked import Asked
from qulab.admin.contains import Contains
from qulab.admin.cursor import BrokenCursor, decode
from qulab.admin.declare import Admin
from qulab.db.keyset import beyond, ordered
from qulab.db.session import Session

PAGE = 50
MOST_COUNTED = 10_000  # a count that is shown stops here: counting a large table costs more than the page
MOST_MATCHED = 1_000  # rows that are found before their page is; with more, the page finds its own soon

ASCII = re.compile(r"[ -~]+")


class Rows(msgspec.Struct, frozen=True):
    """The rows of a page, and whether there are others before and after it."""

    found: Sequence[Any]
    more_before: bool
    more_after: bool


class Count(msgspec.Struct, frozen=True):
    """How many rows there are; where that is not `exact`, there are at least so many."""

    number: int
    exact: bool = True

    def __bool__(self) -> bool:
        return self.number > 0

    def __str__(self) -> str:
        return f"{self.number:,}{'' if self.exact else '+'}" if self or self.exact else "?"


class Matches(msgspec.Struct, frozen=True):
    """What search and filters leave, apart from the tab: ids with their value of the tab. `whole`: these are all."""

    tabs: Mapping[str, str]
    whole: bool

    def ids(self, tab: str) -> list[str]:
        return [key for key, value in self.tabs.items() if tab in ("", value)]

    def counts(self) -> Mapping[str, "Count"]:
        """By tab, and of all under the name ""."""
        by_tab = Counter(self.tabs.values())
        by_tab[""] = len(self.tabs)
        return defaultdict(lambda: Count(0, self.whole), {tab: Count(n, self.whole) for tab, n in by_tab.items()})


def clauses(admin: Admin, asked: Asked, *, without: object = None) -> list[ColumnElement[bool]]:
    """Search and filters, except the filter `without`."""
    narrowing = [clause for one in admin.filters if one is not without for clause in one.clauses(asked.values)]
    text = asked.values.get("q")
    return [*narrowing, _search(admin, text)] if text else narrowing


async def matches(session: Session, admin: Admin, asked: Asked) -> Matches | None:
    """Up to MOST_MATCHED of what matches; None where at most the tab leaves rows out, which an index answers."""
    where = clauses(admin, asked, without=admin.tabs)
    if not where:
        return None
    tab: Any = admin.tabs.column if admin.tabs else literal("")
    statement = select(admin.model.id, tab).where(*where).limit(MOST_MATCHED + 1)
    found = (await session.execute(statement)).all()
    return Matches({row[0]: row[1] for row in found[:MOST_MATCHED]}, whole=len(found) <= MOST_MATCHED)


async def fetch(session: Session, admin: Admin, asked: Asked, within: Sequence[str] | None = None) -> Rows:
    """One page; `within` are the ids of all that match, where they are known. Raises BrokenCursor."""
    statement = page_statement(admin, asked, within)
    if within is not None and not within:
        return Rows([], more_before=False, more_after=False)
    found = (await session.scalars(statement)).unique().all()
    page, more = found[:PAGE], len(found) > PAGE
    if asked.backwards:
        return Rows(page[::-1], more_before=more, more_after=bool(asked.before))
    return Rows(page, more_before=bool(asked.after), more_after=more)


def page_statement(admin: Admin, asked: Asked, within: Sequence[str] | None = None) -> Select[Any]:
    """The rows of one page, and one more that tells of another page; from behind where that is the way to go."""
    if not asked.one_place:
        raise BrokenCursor
    columns, down = order_keys(admin, asked), asked.descending != asked.backwards
    narrowing = clauses(admin, asked) if within is None else [admin.model.id.in_(within)]
    statement = list_statement(admin).where(*narrowing)
    if place := asked.after or asked.before:
        statement = statement.where(beyond(columns, decode(columns, place), descending=down))
    return statement.order_by(*ordered(columns, descending=down)).limit(PAGE + 1)


async def first_rows(session: Session, admin: Admin, *where: ColumnElement[bool], limit: int) -> Sequence[Any]:
    """The newest rows of a list."""
    statement = list_statement(admin).where(*where).order_by(admin.model.id.desc()).limit(limit)
    return (await session.scalars(statement)).unique().all()


def list_statement(admin: Admin) -> Select[Any]:
    """Rows with the columns that a list shows and many-to-one relationships joined: nothing is loaded afterwards."""
    mapper = inspect(admin.model)
    shown = {column.name for column in admin.columns} | {action.field for action in admin.actions}
    sorts = [key for sort in admin.sorts.values() for filtered in (False, True) for key in _keys(sort, filtered)]
    attributes = {name for name in shown if name in mapper.columns} | {key.key for key in sorts}
    joins = [joinedload(getattr(admin.model, name)) for name in shown if name in mapper.relationships]
    return select(admin.model).options(
        load_only(*(getattr(admin.model, name) for name in attributes), raiseload=True), *joins
    )


async def bounded_counts(session: Session, wanted: Mapping[str, Select[Any]]) -> dict[str, Count]:
    """How many rows each statement finds, up to MOST_COUNTED, all in one statement."""
    if not wanted:
        return {}
    counts = [
        select(func.count()).select_from(one.limit(MOST_COUNTED + 1).subquery()).scalar_subquery()
        for one in wanted.values()
    ]
    row = (await session.execute(select(*counts))).one()
    return {name: Count(min(n, MOST_COUNTED), exact=n <= MOST_COUNTED) for name, n in zip(wanted, row, strict=True)}


def counted(admin: Admin, *where: ColumnElement[bool]) -> Select[Any]:
    return select(literal(1)).select_from(admin.model).where(*where)


def order_keys(admin: Admin, asked: Asked) -> tuple[Any, ...]:
    sort = asked.sort(admin)
    return sort.keys(filtered=bool(sort.filtered_by and asked.values.get(sort.filtered_by)))


def relationship(admin: Admin, name: str) -> RelationshipProperty[Any]:
    found: RelationshipProperty[Any] = inspect(admin.model).relationships[name]
    return found


def _keys(sort: Any, filtered: bool) -> tuple[Any, ...]:
    return () if filtered and sort.filtered_column is None else sort.keys(filtered)


def _search(admin: Admin, text: str) -> ColumnElement[bool]:
    """By id where the text is one, else by the declared texts, which may belong to a row that this one refers to."""
    if uuid := _uuid(text):
        return or_(*(column == uuid for column in (admin.model.id, *admin.ids)))
    own = [column for column in admin.search if column.class_ is admin.model]
    return or_(*(_contains(column, text) for column in own), *_through_relationships(admin, text))


def _through_relationships(admin: Admin, text: str) -> list[ColumnElement[bool]]:
    """A subquery for each model that is searched along: read once, and not once for each row."""
    found: list[ColumnElement[bool]] = []
    for one in inspect(admin.model).relationships:
        columns = [column for column in admin.search if column.class_ is one.mapper.class_]
        if columns:
            (foreign_key,) = one.local_columns
            matching = select(one.mapper.class_.id).where(or_(*(_contains(column, text) for column in columns)))
            found.append(foreign_key.in_(matching))
    return found


def _contains(column: Any, text: str) -> ColumnElement[bool]:
    # SQLite, and PostgreSQL under the locale C, fold the case of ASCII letters only.
    if text.isascii():
        return Contains(column, text)
    spellings = or_(*(Contains(column, one) for one in sorted({text, text.lower(), text.upper(), text.title()})))
    # A row without the part that needs one look is not looked at for each of the spellings.
    part = max(ASCII.findall(text), key=len, default="")
    return and_(Contains(column, part), spellings) if part else spellings


def _uuid(text: str) -> str:
    try:
        return str(UUID(text)) if len(text) == len(str(UUID(int=0))) else ""
    except ValueError:
        return ""
