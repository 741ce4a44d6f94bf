"""What a deletion takes along is read from the foreign keys themselves, so that a preview forgets no table."""

from collections.abc import Iterator, Mapping

import msgspec
from sqlalchemy import ColumnElement, ForeignKey, Table, literal, or_, select

from qulab.admin import parts, query
from qulab.admin.declare import Admin
from qulab.admin.site import site
from qulab.db.base import Base
from qulab.db.session import Session

Where = tuple[ColumnElement[bool], ...]


class Along(msgspec.Struct, frozen=True):
    """Rows of one table that would go too."""

    title: str
    count: str


async def along(session: Session, admin: Admin, *where: ColumnElement[bool]) -> list[Along]:
    """What goes with these rows, table by table, in one statement; tables that lose nothing are left out."""
    doomed = dependents(admin.model.__table__, where)
    wanted = {table.name: select(literal(1)).select_from(table).where(clause) for table, clause in doomed.items()}
    counts = await query.bounded_counts(session, wanted)
    return [
        Along(_title(admin, table, counts[table.name].number), parts.count_text(counts[table.name]))
        for table in doomed
        if counts[table.name]
    ]


def dependents(table: Table, where: Where) -> Mapping[Table, ColumnElement[bool]]:
    """Each table from which the database would delete, and which of its rows; however far away it is."""
    found: dict[Table, list[ColumnElement[bool]]] = {}
    waiting: list[tuple[Table, Where]] = [(table, where)]
    while waiting:
        parent, of_parent = waiting.pop(0)
        for key in cascading(parent):
            clause = key.parent.in_(select(key.column).where(*of_parent))
            if key.parent.table is not table and key.parent.table not in found:
                waiting.append((key.parent.table, (clause,)))
            found.setdefault(key.parent.table, []).append(clause)
    return {one: or_(*clauses) for one, clauses in found.items()}


def cascading(table: Table) -> Iterator[ForeignKey]:
    """The foreign keys through which a deletion from `table` goes on."""
    for one in Base.metadata.sorted_tables:
        for key in sorted(one.foreign_keys, key=lambda key: key.parent.name):
            if key.column.table is table and key.constraint is not None and key.constraint.ondelete == "CASCADE":
                yield key


def _title(admin: Admin, table: Table, count: int) -> str:
    if table.name in admin.along:
        return admin.along[table.name](count)
    listed = next((one for one in site if one.model.__table__ is table), None)
    return str(listed.title if listed else table.name)
