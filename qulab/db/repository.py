"""A repository owns the SQL of one model: it flushes, so that errors show here, and never commits."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Generic, TypeVar, get_args

from sqlalchemy import ColumnElement, Select, bindparam, delete, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.sql.base import ExecutableOption

from qulab.db.base import Base, TimestampMixin, utcnow
from qulab.db.errors import NotFound, Stale, conflict_from
from qulab.db.keyset import Page, beyond, ordered, place_of
from qulab.db.session import Session

Model = TypeVar("Model", bound=Base)


@asynccontextmanager
async def conflicts() -> AsyncIterator[None]:
    """Turn an IntegrityError in the block into a Conflict with constraint and field, a lost race into Stale."""
    try:
        yield
    except StaleDataError as error:
        raise Stale from error
    except IntegrityError as error:
        raise conflict_from(error) from error


class BaseRepository(Generic[Model]):
    """What every collection offers. Name the model once: `class UserRepository(BaseRepository[User])`."""

    model: ClassVar[type[Any]]
    _by_id: ClassVar[Select[Any] | None] = None

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

    async def get_by_id(self, key: str, *options: ExecutableOption, fresh: bool = False) -> Model | None:
        """The row, or None. Pass loader options to load relationships along: nothing is loaded lazily.

        With `fresh`, an instance that the session already has takes the values of the row, and loses unsaved changes.
        """
        if "\x00" in key:
            return None  # PostgreSQL has no such text, and would call the question malformed
        statement = self._select_by_id()
        if options or fresh:  # each makes a copy of the statement
            statement = statement.options(*options).execution_options(populate_existing=fresh)
        result = await self.session.scalars(statement, {"key": key})
        return (result.unique() if options else result).one_or_none()

    async def get(self, key: str) -> Model | None:
        """The row, or None: `get_by_id` without options."""
        return await self.get_by_id(key)

    @classmethod
    def _select_by_id(cls) -> Select[Any]:
        # Built once for each class: building it costs as much as running it.
        if cls._by_id is None:
            cls._by_id = select(cls.model).where(cls.model.id == bindparam("key"))
        return cls._by_id

    async def one(self, key: str, *options: ExecutableOption, fresh: bool = False) -> Model:
        """The row. Raises NotFound."""
        instance = await self.get_by_id(key, *options, fresh=fresh)
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
        found = await self.session.scalars(statement)
        return (found.unique() if options else found).all()

    async def page(
        self,
        *where: ColumnElement[bool],
        order_by: Sequence[Any] = (),
        after: Sequence[Any] | None = None,
        descending: bool = True,
        limit: int = 50,
        options: Sequence[ExecutableOption] = (),
    ) -> Page[Model]:
        """The rows behind the place `after`, from one end of the order without it; the newest first by default.

        `order_by` names columns of this model that are never NULL and together unique, best those of an index.
        """
        columns = order_by or (self.model.id,)
        statement = select(self.model).where(*where).order_by(*ordered(columns, descending=descending))
        if after is not None:
            statement = statement.where(beyond(columns, after, descending=descending))
        found = await self.session.scalars(statement.limit(limit + 1).options(*options))
        rows = (found.unique() if options else found).all()
        return Page(rows[:limit], place_of(rows[limit - 1], columns) if len(rows) > limit else None)

    async def update(self, *where: ColumnElement[bool], **values: Any) -> int:
        """Set columns of all these rows in one statement; returns how many. Raises Conflict."""
        statement = update(self.model).where(*where).values({**values, **self._next_version()})
        async with conflicts():
            return int((await self.session.execute(statement)).rowcount)  # type: ignore[attr-defined]

    async def upsert(self, values: Mapping[str, Any], *, unique: Sequence[str]) -> Model:
        """Insert a row, or set these columns of the one that has the same `unique` ones; returns it.

        One statement, so that two at once both succeed. Raises Conflict for any other constraint.
        """
        dialect = postgresql if self.session.get_bind().dialect.name == "postgresql" else sqlite
        insert = dialect.insert(self.model).values(**values)
        kept = {*unique, *(column.name for column in self.model.__table__.primary_key)}
        changed = {name: insert.excluded[name] for name in values if name not in kept}
        if issubclass(self.model, TimestampMixin):
            changed["updated_at"] = utcnow()
        changed |= self._next_version()
        # The conflicting row must be returned too, so at least one column is set, if only to what it is.
        changed = changed or {unique[0]: insert.excluded[unique[0]]}
        statement = insert.on_conflict_do_update(index_elements=list(unique), set_=changed).returning(self.model)
        async with conflicts():
            found = await self.session.scalars(statement, execution_options={"populate_existing": True})
            row: Model = found.one()
            return row

    def _next_version(self) -> dict[str, Any]:
        """What a statement past the unit of work must set, so that a form which is open elsewhere is seen as old."""
        column = self.model.__mapper__.version_id_col
        return {} if column is None else {column.name: column + 1}

    async def count(self, *where: ColumnElement[bool]) -> int:
        return await self.session.scalar(select(func.count()).select_from(self.model).where(*where)) or 0

    async def exists(self, *where: ColumnElement[bool]) -> bool:
        return bool(await self.session.scalar(select(exists(select(self.model.id).where(*where)))))

    async def delete(self, *where: ColumnElement[bool]) -> int:
        """Delete in the database, which cascades to dependent rows; returns the number of rows of this model."""
        result = await self.session.execute(delete(self.model).where(*where))
        return int(result.rowcount)  # type: ignore[attr-defined]
