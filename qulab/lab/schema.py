"""What the page says of the schema is read from the metadata that creates it."""

from functools import lru_cache

import msgspec
from sqlalchemy import Column, Index, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from qulab.db.base import Base


class ColumnView(msgspec.Struct, frozen=True):
    name: str
    type: str
    required: bool
    keys: list[str]


class TableView(msgspec.Struct, frozen=True):
    name: str
    model: str
    columns: list[ColumnView]
    indexes: list[str]
    relationships: list[str]


class Ddl(msgspec.Struct, frozen=True):
    dialect: str
    text: str


# The tables of the guide, and those of the test between them.
SHOWN = ("users", "sittings", "assessments", "responses", "air_scores", "domain_events")


def table_views() -> list[TableView]:
    """The tables that the page tells of, then all others by name."""
    rest = sorted(set(Base.metadata.tables) - set(SHOWN))
    return [_table(Base.metadata.tables[name]) for name in (*SHOWN, *rest)]


@lru_cache(maxsize=4)
def ddl(table_name: str) -> list[Ddl]:
    """The statements that create such a table and its indexes, as each database gets them."""
    if table_name not in SHOWN:
        return []
    table = Base.metadata.tables[table_name]
    dialects = {"SQLite": sqlite.dialect(), "PostgreSQL": postgresql.dialect()}  # type: ignore[no-untyped-call]
    return [
        Ddl(
            name,
            "\n".join(
                [str(CreateTable(table).compile(dialect=dialect)).strip().replace("\t", "  ") + ";"]
                + [f"{str(CreateIndex(index).compile(dialect=dialect)).strip()};" for index in _ordered(table)]
            ),
        )
        for name, dialect in dialects.items()
    ]


def _ordered(table: Table) -> list[Index]:
    return sorted(table.indexes, key=lambda index: str(index.name))


def _table(table: Table) -> TableView:
    mapper = next((one for one in Base.registry.mappers if one.local_table is table), None)
    return TableView(
        name=table.name,
        model=mapper.class_.__name__ if mapper else "",
        columns=[_column(column) for column in table.columns],
        indexes=[_index(index) for index in _ordered(table)],
        relationships=[f"{one.key} → {one.mapper.class_.__name__}" for one in (mapper.relationships if mapper else ())],
    )


def condition(index: Index) -> str:
    """Which rows an index holds, as its statement says it; empty where it holds all."""
    where = index.dialect_options["sqlite"]["where"]
    return "" if where is None else str(where)


def _index(index: Index) -> str:
    unique, where = " (unique)" if index.unique else "", condition(index)
    columns = ", ".join(column.name for column in index.columns)
    return f"{index.name}{unique}: {columns}{f' where {where}' if where else ''}"


def _column(column: "Column[object]") -> ColumnView:
    keys = ["primary key"] if column.primary_key else []
    for key in column.foreign_keys:
        keys.append(f"→ {key.target_fullname}" + (f", on delete {key.ondelete.lower()}" if key.ondelete else ""))
    if column.unique:
        keys.append("unique")
    return ColumnView(column.name, str(column.type), not column.nullable, keys)
