"""A page costs two statements for any number of rows: its rows by keyset, and all counts, which stop at a bound."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Select, func, inspect, literal, or_, select
from sqlalchemy.orm import RelationshipProperty, joinedload, load_only

from qulab.admin.asked import Asked
from qulab.admin.cursor import BrokenCursor, decode
from qulab.admin.declare import Admin
from qulab.db.keyset import beyond, ordered
from qulab.db.session import Session

PAGE = 50
MOST_COUNTED = 10_000  # a count that is shown stops here: counting a large table costs more than the page


class Rows(msgspec.Struct, frozen=True):
    """The rows of a page, and whether there are others before and after it."""

    found: Sequence[Any]
    more_before: bool
    more_after: bool


def clauses(admin: Admin, asked: Asked, *, without: object = None) -> list[ColumnElement[bool]]:
    """Search and filters, except the filter `without`."""
    narrowing = [clause for one in admin.filters if one is not without for clause in one.clauses(asked.values)]
    text = asked.values.get("q")
    return [*narrowing, _search(admin, text)] if text else narrowing


async def fetch(session: Session, admin: Admin, asked: Asked) -> Rows:
    """One page. Raises BrokenCursor."""
    found = (await session.scalars(page_statement(admin, asked))).unique().all()
    page, more = found[:PAGE], len(found) > PAGE
    if asked.backwards:
        return Rows(page[::-1], more_before=more, more_after=bool(asked.before))
    return Rows(page, more_before=bool(asked.after), more_after=more)


def page_statement(admin: Admin, asked: Asked) -> Select[Any]:
    """The rows of one page, and one more that tells of another page; from behind where that is the way to go."""
    if not asked.one_place:
        raise BrokenCursor
    columns, down = order_keys(admin, asked), asked.descending != asked.backwards
    statement = list_statement(admin).where(*clauses(admin, asked))
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


async def bounded_counts(session: Session, wanted: Mapping[str, Select[Any]]) -> dict[str, int]:
    """How many rows each statement finds, up to MOST_COUNTED + 1, all in one statement."""
    if not wanted:
        return {}
    counts = [
        select(func.count()).select_from(one.limit(MOST_COUNTED + 1).subquery()).scalar_subquery()
        for one in wanted.values()
    ]
    row = (await session.execute(select(*counts))).one()
    return dict(zip(wanted, row, strict=True))


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
    spellings = {text} if text.isascii() else {text, text.lower(), text.upper(), text.title()}
    return or_(*(column.icontains(one, autoescape=True) for one in sorted(spellings)))


def _uuid(text: str) -> str:
    try:
        return str(UUID(text)) if len(text) == len(str(UUID(int=0))) else ""
    except ValueError:
        return ""
