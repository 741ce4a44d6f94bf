from pathlib import Path

import pytest
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, func, inspect, select

from accounts.models import User
from assessments.models import Assessment
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

    async def test_a_table_made_anew_on_sqlite_keeps_the_rows_that_depend_on_it(self, tmp_path: Path) -> None:
        """SQLite only: there, altering a column means to drop the table and make it again."""

        def alter(config: Config) -> None:
            operations = Operations(MigrationContext.configure(config.attributes["connection"]))
            with operations.batch_alter_table("users", recreate="always") as users:
                users.alter_column("name", nullable=True)

        async with open_database(f"sqlite+aiosqlite:///{tmp_path / 'q.db'}") as database:
            await migrate.upgrade(database)
            async with database.writing() as session:
                owner = User(email="a@example.com", name="A")
                session.add(owner)
                await session.flush()
                session.add(Assessment(user_id=owner.id, component="fluency"))
                await session.commit()

            await migrate._run(database, alter)

            async with database.reading() as session:
                assert await session.scalar(select(func.count()).select_from(Assessment)) == 1

    async def test_a_migration_that_drops_the_sequence_of_events_on_sqlite_is_refused(self, tmp_path: Path) -> None:
        """SQLite only: PostgreSQL's sequence belongs to its column."""

        def alter(config: Config) -> None:
            operations = Operations(MigrationContext.configure(config.attributes["connection"]))
            with operations.batch_alter_table("domain_events", recreate="always") as events:
                events.alter_column("headers", nullable=True)

        async with open_database(f"sqlite+aiosqlite:///{tmp_path / 'q.db'}") as database:
            await migrate.upgrade(database)

            with pytest.raises(migrate.MigrationFailed, match="domain_events_seq"):
                await migrate._run(database, alter)

            await migrate.check(database)
