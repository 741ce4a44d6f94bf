"""The drivers by themselves, with SQL as text: what everything else is built on, and the floor of its cost."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from qulab.db.base import new_id, utcnow
from qulab.db.engine import Database
from qulab.lab.experiments.repository_ways import PAGE, USERS, Place, Row, Way

NAMES = [column.name for column in USERS.columns]
COLUMNS = ", ".join(NAMES)
# What is put together is names of columns and of parameters: $1 of PostgreSQL, ?1 of SQLite.
SELECT = f"SELECT {COLUMNS} FROM users"  # noqa: S608
GET = f"{SELECT} WHERE id = {{0}}1"
NEWEST = f"{SELECT} ORDER BY id DESC LIMIT {{0}}1"
BEYOND = f"{SELECT} WHERE id < {{0}}1 ORDER BY id DESC LIMIT {{0}}2"
INSERT = f"INSERT INTO users ({COLUMNS}) VALUES ({', '.join(f'{{0}}{n + 1}' for n in range(len(NAMES)))})"  # noqa: S608
UPSERT = (
    f"{INSERT} ON CONFLICT (email) DO UPDATE SET name = excluded.name, years_experience = excluded.years_experience, "
    f"updated_at = excluded.updated_at, version = users.version + 1 RETURNING {COLUMNS}"
)


class Driver(Way):
    """`sign` stands before the number of a parameter."""

    sign: ClassVar[str]

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def get(self, key: str) -> Any:
        return (await self.fetch(GET, key))[0]

    async def newest(self, limit: int) -> Sequence[Any]:
        return await self.fetch(NEWEST, limit)

    async def page(self, place: Place) -> Sequence[Any]:
        if place.after is None:
            return await self.fetch(NEWEST, PAGE)
        return await self.fetch(BEYOND, place.after, PAGE)

    async def add_many(self, rows: Sequence[Row]) -> None:
        await self.connection.executemany(INSERT.format(self.sign), [self.values(row) for row in rows])

    async def upsert(self, row: Row) -> Any:
        now = utcnow()
        new = {"id": new_id(), "version": 1, "created_at": now, "updated_at": now, **row}
        return (await self.fetch(UPSERT, *self.values(new)))[0]

    @abstractmethod
    async def fetch(self, statement: str, *values: Any) -> Sequence[Any]:
        """All rows of a statement whose placeholders are `{0}1`, `{0}2` and so on; `sign` is put in for `{0}`."""

    def values(self, row: Row) -> list[Any]:
        return [row.get(name) for name in NAMES]

    def fields(self, row: Any) -> tuple[str, str, int]:
        found = dict(zip(NAMES, row, strict=True))
        return found["id"], found["name"], found["version"]


class Asyncpg(Driver):
    name = "asyncpg"
    sign = "$"

    @classmethod
    @asynccontextmanager
    async def opened(cls, database: Database, *, writing: bool) -> AsyncIterator[Self]:
        async with database.engine.connect() as borrowed:
            connection: Any = (await borrowed.get_raw_connection()).driver_connection
            transaction = connection.transaction(readonly=not writing)
            await transaction.start()
            yield cls(connection)
            await transaction.rollback()

    async def fetch(self, statement: str, *values: Any) -> Sequence[Any]:
        rows: Sequence[Any] = await self.connection.fetch(statement.format(self.sign), *values)
        return rows

    def fields(self, row: Any) -> tuple[str, str, int]:
        return super().fields(row.values())


class Aiosqlite(Driver):
    """Moments stay the text that SQLite has."""

    name = "aiosqlite"
    sign = "?"

    @classmethod
    @asynccontextmanager
    async def opened(cls, database: Database, *, writing: bool) -> AsyncIterator[Self]:
        async with database.engine.connect() as borrowed:
            connection: Any = (await borrowed.get_raw_connection()).driver_connection
            await connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
            yield cls(connection)
            await connection.execute("ROLLBACK")

    async def fetch(self, statement: str, *values: Any) -> Sequence[Any]:
        return list(await self.connection.execute_fetchall(statement.format(self.sign), values))

    def values(self, row: Row) -> list[Any]:
        return [_as_text(value) if isinstance(value, datetime) else value for value in super().values(row)]


def _as_text(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
