"""A repository owns the SQL of one model: it flushes, so that errors show here, and never commits."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Generic, TypeVar, get_args

from sqlalchemy import ColumnElement, delete, exists, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.base import ExecutableOption

from qulab.db.base import Base
from qulab.db.errors import NotFound, conflict_from
from qulab.db.session import Session

Model = TypeVar("Model", bound=Base)


@asynccontextmanager
async def conflicts() -> AsyncIterator[None]:
    """Turn an IntegrityError inside the block into a Conflict that names constraint and field."""
    try:
        yield
    except IntegrityError as error:
        raise conflict_from(error) from error


class BaseRepository(Generic[Model]):
    """What every collection offers. Name the model once: `class UserRepository(BaseRepository[User])`."""

    model: ClassVar[type[Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, type):
                    cls.model = argument

    def __init__(self, session: Session) -> None:
        self.session = session

    async def create(self, instance: Model) -> Model:
        """Add one row. Raises Conflict when a constraint refuses it."""
        return await self.add(instance)

    async def add(self, instance: Model) -> Model:
        self.session.add(instance)
        async with conflicts():
            await self.session.flush()
        return instance

    async def add_many(self, instances: Sequence[Model]) -> Sequence[Model]:
        self.session.add_all(instances)
        async with conflicts():
            await self.session.flush()
        return instances

    async def get_by_id(self, key: str, *options: ExecutableOption) -> Model | None:
        """The row, or None. Pass loader options to load relationships along: nothing is loaded lazily."""
        if "\x00" in key:
            return None  # PostgreSQL has no such text, and would call the question malformed
        result = await self.session.scalars(select(self.model).where(self.model.id == key).options(*options))
        return result.unique().one_or_none()

    async def one(self, key: str, *options: ExecutableOption) -> Model:
        """The row. Raises NotFound."""
        instance = await self.get_by_id(key, *options)
        if instance is None:
            raise NotFound(self.model, key)
        return instance

    async def list(
        self,
        *where: ColumnElement[bool],
        order_by: Sequence[Any] = (),
        limit: int = 100,
        options: Sequence[ExecutableOption] = (),
    ) -> Sequence[Model]:
        """At most `limit` rows, in the order given, else the newest first."""
        order = order_by or (self.model.id.desc(),)
        statement = select(self.model).where(*where).order_by(*order).limit(limit).options(*options)
        return (await self.session.scalars(statement)).unique().all()

    async def count(self, *where: ColumnElement[bool]) -> int:
        return await self.session.scalar(select(func.count()).select_from(self.model).where(*where)) or 0

    async def exists(self, *where: ColumnElement[bool]) -> bool:
        return bool(await self.session.scalar(select(exists(select(self.model.id).where(*where)))))

    async def delete(self, *where: ColumnElement[bool]) -> int:
        """Delete in the database, which cascades to dependent rows; returns the number of rows of this model."""
        result = await self.session.execute(delete(self.model).where(*where))
        return int(result.rowcount)  # type: ignore[attr-defined]
