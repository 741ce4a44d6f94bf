"""An experiment never touches the application's rows: it works in a file or schema of its own, gone afterwards."""

import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Table, event, text

from qulab.db import migrate
from qulab.db.base import Base
from qulab.db.bulk import insert_columns
from qulab.db.engine import Database, open_database

PREFIX = "lab_scratch_"
STALE = 3600  # seconds after which a schema belongs to a process that died


@asynccontextmanager
async def scratch_database(beside: Database, tables: list[Table]) -> AsyncIterator[Database]:
    """An empty database with `tables`, of the same kind as `beside`: a temporary file, or a schema of its server.

    It has the tables that their foreign keys refer to as well.
    """
    async with _opened(beside) as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all, tables=_with_referred(tables))
        yield database


def _with_referred(tables: list[Table]) -> list[Table]:
    found = list(tables)
    for table in found:  # grows on the way
        found += {key.column.table for key in table.foreign_keys} - set(found)
    return found


@asynccontextmanager
async def migrated_database(beside: Database) -> AsyncIterator[Database]:
    """The same with all tables, made by the migrations: with triggers, and with partitions in an epoch of their own."""
    async with _opened(beside) as database:
        await migrate.upgrade(database)
        yield database


async def store_users(scratch: Database, ids: Sequence[str], *, first: int = 0) -> None:
    """Users with these ids, after `first` that are there already.

    By COPY on PostgreSQL: asyncpg does not let go of an executemany that is cancelled.
    """
    numbers = range(first, first + len(ids))
    columns = {
        "id": list(ids),
        "email": [f"user{i}@example.com" for i in numbers],
        "name": [f"User {i}" for i in numbers],
    }
    async with scratch.writing() as session:
        await insert_columns(session, Base.metadata.tables["users"], [columns])
        await session.commit()


class Place(msgspec.Struct, frozen=True):
    """Where a scratch database is. `schema` is empty for a file."""

    url: str
    schema: str


async def place_of(scratch: Database) -> Place:
    url = scratch.url.render_as_string(hide_password=False)
    if scratch.dialect == "sqlite":
        return Place(url, "")
    async with scratch.engine.connect() as connection:
        return Place(url, str(await connection.scalar(text("SELECT current_schema()"))))


@asynccontextmanager
async def joined(place: Place, *, pool_size: int) -> AsyncIterator[Database]:
    """A scratch database that exists, opened once more: with a pool of another size, or by another process."""
    async with open_database(place.url, pool_size=pool_size) as database:
        if place.schema:
            _stay_in(database, place.schema)
        yield database


def _opened(beside: Database) -> AbstractAsyncContextManager[Database]:
    return _sqlite_file() if beside.dialect == "sqlite" else _postgresql_schema(beside)


@asynccontextmanager
async def _sqlite_file() -> AsyncIterator[Database]:
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        async with open_database(f"sqlite+aiosqlite:///{Path(folder) / 'scratch.db'}", pool_size=2) as database:
            yield database


@asynccontextmanager
async def _postgresql_schema(beside: Database) -> AsyncIterator[Database]:
    schema = f"{PREFIX}{int(time.time())}_{secrets.token_hex(4)}"
    await _drop_stale(beside)
    await _run(beside, f"CREATE SCHEMA {schema}")
    try:
        async with open_database(beside.url.render_as_string(hide_password=False), pool_size=2) as database:
            _stay_in(database, schema)
            yield database
    finally:
        await _run(beside, f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def _stay_in(database: Database, schema: str) -> None:
    """Give each new connection this schema alone: a table missing there is an error, never the application's."""

    @event.listens_for(database.engine.sync_engine, "do_connect")
    def set_search_path(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        parameters["server_settings"] = {**parameters.get("server_settings", {}), "search_path": schema}


async def _drop_stale(database: Database) -> None:
    async with database.engine.connect() as connection:
        found = await connection.scalars(
            text("SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE :prefix"),
            {"prefix": PREFIX + "%"},
        )
        names = [name for name in found if int(name.removeprefix(PREFIX).split("_")[0]) < time.time() - STALE]
    for name in names:
        await _run(database, f"DROP SCHEMA IF EXISTS {name} CASCADE")


async def _run(database: Database, statement: str) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(text(statement))
