"""Many rows enter a table by the database's own fastest way, in the transaction of the session: all of them or none.

PostgreSQL gets one COPY, SQLite one executemany, and both the values that the columns' types would make in any other
INSERT. Rows come as columns, in which what is the same for all rows is done once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import UTC
from itertools import chain, repeat
from typing import Any

import asyncpg
import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import JSON, Column, Dialect, Table, insert, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from qulab.db.errors import ReadOnlySession, conflict_from
from qulab.db.repository import conflicts
from qulab.db.session import Session

Moments = NDArray[np.datetime64]
Values = Sequence[Any] | Moments
Columns = Mapping[str, Values]
"""By the name of the column, all of one length. An array of moments is in UTC; a `msgspec.Raw` is JSON already."""


async def insert_columns(session: Session, table: Table, parts: Iterable[Columns]) -> int:
    """Insert the rows that the columns of each part hold side by side; returns how many. Commits nothing.

    A column that is not given gets its default, else what the database gives it. Raises Conflict when a constraint
    refuses a row, ReadOnlySession in a read session, ValueError for columns that do not fit together or the table.
    On PostgreSQL, parts are asked for one by one, while the server stores those before.
    """
    if session.info.get("reading"):
        raise ReadOnlySession
    connection = await session.connection()
    names, rows = as_stored(table, parts, connection.dialect)
    if not names:
        return 0
    await session.flush()  # what the session holds back may be what these rows refer to
    if connection.dialect.name == "postgresql":
        return await _copy(connection, table.name, names, rows)
    return await _execute_many(connection, table, names, list(rows))


def as_stored(table: Table, parts: Iterable[Columns], dialect: Dialect) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """Names of columns, and the rows as the driver takes them, made as they are asked for. No names: no parts."""
    each = iter(parts)
    first = next(each, None)
    if first is None:
        return [], iter(())
    columns = [column for column in table.columns if column.key in first or column.default is not None]
    rows = (_rows(table, columns, first.keys(), part, dialect) for part in chain([first], each))
    return [column.name for column in columns], chain.from_iterable(rows)


async def refresh_statistics(session: Session, *tables: Table) -> None:
    """Let PostgreSQL's planner know at once what many new rows have changed; SQLite plans without."""
    if session.get_bind().dialect.name == "postgresql":
        for table in tables:
            await session.execute(text(f"ANALYZE {table.name}"))


async def _copy(connection: AsyncConnection, table: str, names: list[str], rows: Iterator[tuple[Any, ...]]) -> int:
    driver: Any = (await connection.get_raw_connection()).driver_connection
    if not driver.is_in_transaction():
        await connection.exec_driver_sql("SELECT 1")  # SQLAlchemy begins with its first statement
    try:
        # No schema is named: the connection's search_path decides, as for every other statement.
        status: str = await driver.copy_records_to_table(table, columns=names, records=rows)
    except asyncpg.IntegrityConstraintViolationError as error:
        raise conflict_from(_as_sqlalchemy(error)) from error
    return int(status.removeprefix("COPY "))


async def _execute_many(
    connection: AsyncConnection, table: Table, names: list[str], rows: list[tuple[Any, ...]]
) -> int:
    statement = str(insert(table).values(dict.fromkeys(names)).compile(dialect=connection.dialect))
    async with conflicts():
        await connection.exec_driver_sql(statement, rows)
    return len(rows)


def _rows(
    table: Table, columns: list[Column[Any]], names: Set[str], part: Columns, dialect: Dialect
) -> Iterator[tuple[Any, ...]]:
    if part.keys() != names:
        raise ValueError(f"the parts for {table.name} have different columns")
    count = _length(table, part)
    return zip(*(_stored(column, part, count, dialect) for column in columns), strict=True)


def _stored(column: Column[Any], part: Columns, count: int, dialect: Dialect) -> Iterable[Any]:
    """The values of one column as the driver takes them."""
    if column.key not in part:
        return _defaults(column, count, dialect)
    values = part[column.key]
    if isinstance(values, np.ndarray):
        return _moments(values, dialect)
    process = _processor(column, dialect)
    return values if process is None else [process(value) for value in values]


def _defaults(column: Column[Any], count: int, dialect: Dialect) -> Iterable[Any]:
    process = _processor(column, dialect) or (lambda value: value)
    default: Any = column.default
    if default.is_scalar:
        return repeat(process(default.arg), count)
    if not default.is_callable:
        raise ValueError(f"{column} has a default that only a statement can calculate: give the column")
    return (process(default.arg(None)) for _ in range(count))


def _processor(column: Column[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """What turns a value into the driver's, or None where they are the same."""
    if isinstance(column.type, JSON):
        return _json  # the same JSON as the type's own in a fifth of the time
    return column.type.dialect_impl(dialect).bind_processor(dialect)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _moments(values: Moments, dialect: Dialect) -> list[Any]:
    """What `UTCDateTime` makes of each, for all at once: one by one, that took half of the time of a write."""
    values = values.astype("datetime64[us]")
    if dialect.name != "sqlite":
        return [moment.replace(tzinfo=UTC) for moment in values.tolist()]
    texts = np.datetime_as_string(values)
    texts.view("U1").reshape(len(texts), -1)[:, len("2018-01-01")] = " "  # numpy has a T there
    return list(texts.tolist())


def _length(table: Table, columns: Columns) -> int:
    if unknown := columns.keys() - set(table.columns.keys()):
        raise ValueError(f"no columns of {table.name}: {', '.join(sorted(unknown))}")
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise ValueError(f"columns of one length are needed for {table.name}; these have {sorted(lengths)}")
    return lengths.pop()


def _as_sqlalchemy(error: asyncpg.PostgresError) -> IntegrityError:
    """The driver's error in the frame that SQLAlchemy puts around it, which `conflict_from` reads."""
    translated = Exception(str(error))
    translated.__cause__ = error
    return IntegrityError("COPY", None, translated)
