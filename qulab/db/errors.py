"""A database error leaves this layer as a type that names what was violated; the docstring is the message."""

from typing import Any

import asyncpg
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Table, UniqueConstraint
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from qulab.db.base import Base


class DataLayerError(Exception):
    """The data layer could not do what was asked."""


class NotFound(DataLayerError):
    """There is no such row. Check the id; the row may have been deleted."""

    def __init__(self, model: type[Any], key: object) -> None:
        super().__init__(f"There is no {model.__name__} {key!r}. Check the id; the row may have been deleted.")
        self.model = model
        self.key = key


class Conflict(DataLayerError):
    """The change contradicts rows that are already stored. Change the named field and try again."""

    def __init__(self, constraint: str | None, field: str | None) -> None:
        what = f"field {field!r}" if field else "row"
        super().__init__(f"The {what} contradicts what is stored (constraint {constraint or 'unnamed'}).")
        self.constraint = constraint
        self.field = field


class Stale(DataLayerError):
    """The row was changed or deleted by someone else after it was read. Read it again, and decide again."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class ReadOnlySession(DataLayerError):
    """A read session was asked to write. Open it with `database.writing()`; in a view, change data under POST only."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def is_outage(error: BaseException) -> bool:
    """Whether the database is away, starting or out of connections: the same statement may succeed later."""
    if isinstance(error, DBAPIError):
        ours = (IntegrityError, DataError, ProgrammingError, NotSupportedError)
        return not isinstance(error, ours)
    # What asyncpg raises while it connects, SQLAlchemy passes on as it is.
    return isinstance(error, OSError | PoolTimeout | asyncpg.PostgresError | asyncpg.InterfaceError)


def took_too_long(error: DBAPIError) -> bool:
    """Whether PostgreSQL ended a statement because its time was up."""
    driver = error.orig.__cause__ if error.orig is not None else None
    return isinstance(driver, asyncpg.QueryCanceledError)


def table_is_missing(error: BaseException) -> bool:
    """Whether the schema is older than the code: the migrations were not run."""
    if not isinstance(error, OperationalError | ProgrammingError):
        return False
    driver = error.orig.__cause__ if error.orig is not None else None
    return "no such table" in str(error.orig) or isinstance(driver, asyncpg.UndefinedTableError)


def conflict_from(error: IntegrityError) -> Conflict:
    """The Conflict that an IntegrityError of either database stands for."""
    driver = error.orig.__cause__ if error.orig is not None else None
    name = getattr(driver, "constraint_name", None)  # asyncpg names the constraint
    if name is not None:
        return Conflict(name, _field_of(name))
    return _sqlite_conflict(str(error.orig))


def _sqlite_conflict(message: str) -> Conflict:
    """SQLite says `UNIQUE constraint failed: users.email`, or the name of a CHECK, or for a foreign key nothing."""
    _, _, subject = message.partition(" failed: ")
    if "." not in subject:
        return Conflict(subject or None, _field_of(subject) if subject else None)
    table_name, _, column = subject.split(", ")[0].partition(".")
    columns = {part.partition(".")[2] for part in subject.split(", ")}
    table = Base.metadata.tables.get(table_name)
    return Conflict(_unique_name(table, columns) if table is not None else None, column)


def _unique_name(table: Table, columns: set[str]) -> str | None:
    uniques: list[tuple[object, set[str]]] = []
    uniques += [(index.name, {c.name for c in index.columns}) for index in table.indexes if index.unique]
    uniques += [
        (constraint.name, {c.name for c in constraint.columns})
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint) or constraint is table.primary_key
    ]
    return next((str(name) for name, names in uniques if names == columns), None)


def _field_of(constraint_name: str) -> str | None:
    """The first column of the constraint or unique index of that name."""
    for table in Base.metadata.tables.values():
        for index in table.indexes:
            if index.name == constraint_name:
                return next((column.name for column in index.columns), None)
        for constraint in table.constraints:
            if constraint.name == constraint_name and not isinstance(constraint, CheckConstraint):
                columns = constraint.column_keys if isinstance(constraint, ForeignKeyConstraint) else None
                return next(iter(columns or [c.name for c in constraint.columns]), None)  # type: ignore[attr-defined]
    return None
