import pytest
from sqlalchemy import Connection, inspect

from qulab.db import migrate
from qulab.db.engine import open_database


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


class TestMigrations:
    async def test_agree_with_the_models(self, migrated: str) -> None:
        async with open_database(migrated) as database:
            await migrate.check(database)

    async def test_a_difference_is_found(self, migrated: str) -> None:
        from sqlalchemy import Column, Integer

        from qulab.db.base import Base

        users = Base.metadata.tables["users"]
        extra: Column[int] = Column("shoe_size", Integer)
        users.append_column(extra)
        try:
            async with open_database(migrated) as database:
                with pytest.raises(migrate.MigrationFailed, match="shoe_size"):
                    await migrate.check(database)
        finally:
            users._columns.remove(extra)  # type: ignore[attr-defined]

    async def test_go_down_to_nothing_and_up_again(self, migrated: str) -> None:
        async with open_database(migrated) as database:
            await migrate.downgrade(database, "base")
            async with database.engine.connect() as connection:
                assert await connection.run_sync(tables) == {"alembic_version"}
            assert await migrate.current(database) is None

            await migrate.upgrade(database)
            assert await migrate.current(database) == migrate.head()
