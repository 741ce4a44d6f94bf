"""Ways to ask for the same rows. Each works on one connection in one transaction, which is rolled back at its end."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar, Self

import msgspec
from sqlalchemy import Table, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from accounts.models import User
from accounts.repositories import UserRepository
from qulab.db.base import Base
from qulab.db.engine import WRITES, Database
from qulab.db.session import Session

PAGE = 50  # rows of a page, and of the list
Row = Mapping[str, Any]
USERS: Table = Base.metadata.tables[User.__tablename__]


class Place(msgspec.Struct, frozen=True):
    """A page by its number, from 1 on, and by the key of the last row before it."""

    number: int
    after: str | None

    @property
    def offset(self) -> int:
        return (self.number - 1) * PAGE


class Way(ABC):
    """What is returned is whatever this way gives; `fields` reads the same from all of them."""

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def opened(cls, database: Database, *, writing: bool) -> AbstractAsyncContextManager[Self]:
        """Connected, so that connecting is no part of what is measured."""

    @abstractmethod
    async def get(self, key: str) -> Any: ...

    @abstractmethod
    async def newest(self, limit: int) -> Sequence[Any]:
        """Users by their ids, from the end."""

    @abstractmethod
    async def page(self, place: Place) -> Sequence[Any]:
        """PAGE users in the same order."""

    @abstractmethod
    async def add_many(self, rows: Sequence[Row]) -> None:
        """Of users with all their columns."""

    @abstractmethod
    async def upsert(self, row: Row) -> Any:
        """Of e-mail address, name and years: insert, or set them of the user who has this address; returns the row."""

    def forget(self) -> None:  # noqa: B027 - most have nothing to forget
        """Drop what the last call left in memory, so that the next one asks the database."""

    def fields(self, row: Any) -> tuple[str, str, int]:
        """Id, name and version."""
        return row.id, row.name, row.version


class OnSession(Way):
    """A session of this project: what differs is how it is used."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @classmethod
    @asynccontextmanager
    async def opened(cls, database: Database, *, writing: bool) -> AsyncIterator[Self]:
        async with database.writing() if writing else database.reading() as session:
            await session.connection()
            yield cls(session)
            await session.rollback()

    def forget(self) -> None:
        self.session.expunge_all()


class Repository(OnSession):
    """This project's own."""

    name = "repository"

    async def get(self, key: str) -> Any:
        return await UserRepository(self.session).get(key)

    async def newest(self, limit: int) -> Sequence[Any]:
        return await UserRepository(self.session).list(limit=limit)

    async def page(self, place: Place) -> Sequence[Any]:
        after = None if place.after is None else (place.after,)
        return (await UserRepository(self.session).page(after=after, limit=PAGE)).rows

    async def add_many(self, rows: Sequence[Row]) -> None:
        await UserRepository(self.session).add_many([User(**row) for row in rows])

    async def upsert(self, row: Row) -> Any:
        return await UserRepository(self.session).upsert(row, unique=["email"])


class PlainSession(OnSession):
    """The session as SQLAlchemy's tutorial uses it: `get`, `select`, OFFSET, and a look before an upsert."""

    name = "session"

    async def get(self, key: str) -> Any:
        return await self.session.get(User, key)

    async def newest(self, limit: int) -> Sequence[Any]:
        return (await self.session.scalars(select(User).order_by(User.id.desc()).limit(limit))).all()

    async def page(self, place: Place) -> Sequence[Any]:
        statement = select(User).order_by(User.id.desc()).offset(place.offset).limit(PAGE)
        return (await self.session.scalars(statement)).all()

    async def add_many(self, rows: Sequence[Row]) -> None:
        self.session.add_all([User(**row) for row in rows])
        await self.session.flush()

    async def upsert(self, row: Row) -> Any:
        user = (await self.session.scalars(select(User).where(User.email == row["email"]))).one_or_none()
        if user is None:
            user = User(**row)
            self.session.add(user)
        else:
            user.name, user.years_experience = row["name"], row["years_experience"]
        await self.session.flush()
        return user


class Core(Way):
    """SQLAlchemy without the ORM: rows, no objects."""

    name = "Core"

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection

    @classmethod
    @asynccontextmanager
    async def opened(cls, database: Database, *, writing: bool) -> AsyncIterator[Self]:
        async with database.engine.connect() as connection:
            await connection.execution_options(**{WRITES: writing})
            await connection.begin()
            yield cls(connection)
            await connection.rollback()

    async def get(self, key: str) -> Any:
        return (await self.connection.execute(select(USERS).where(USERS.c.id == key))).one_or_none()

    async def newest(self, limit: int) -> Sequence[Any]:
        return (await self.connection.execute(select(USERS).order_by(USERS.c.id.desc()).limit(limit))).all()

    async def page(self, place: Place) -> Sequence[Any]:
        statement = select(USERS).order_by(USERS.c.id.desc()).limit(PAGE)
        if place.after is not None:
            statement = statement.where(USERS.c.id < place.after)
        return (await self.connection.execute(statement)).all()

    async def add_many(self, rows: Sequence[Row]) -> None:
        await self.connection.execute(insert(USERS), rows)

    async def upsert(self, row: Row) -> Any:
        dialect = postgresql if self.connection.dialect.name == "postgresql" else sqlite
        new = dialect.insert(USERS).values(**row)
        set_ = {name: new.excluded[name] for name in ("name", "years_experience", "updated_at")}
        statement = new.on_conflict_do_update(
            index_elements=["email"], set_={**set_, "version": USERS.c.version + 1}
        ).returning(USERS)
        return (await self.connection.execute(statement)).one()
