from pathlib import Path

import pytest
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, func, inspect, select, text

from accounts.models import User
from assessments.models import AIRScore, Assessment, Response, Sitting
from qulab.db import migrate
from qulab.db.base import utcnow
from qulab.db.engine import Database, open_database
from qulab.db.session import Session


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def fill(session: Session) -> None:
    """A person with an open sitting, one part of it done; a score of an earlier one; a part from before sittings."""
    owner = User(email="a@example.com", name="A")
    over = Sitting(user=owner, status="completed", occupation_code="15-1252", **BANK)
    now = Sitting(user=owner, occupation_code="15-1252", **BANK)
    session.add_all([over, now])
    await session.flush()
    done, open_one = (
        Assessment(user=owner, sitting_id=now.id, component=component, status=status)
        for component, status in [("fluency", "completed"), ("domain", "in_progress")]
    )
    told = dict.fromkeys(["air_score", "vr_score", "hr_score", "synergy_score", "ci_lower", "ci_upper"], 50.0)
    score = AIRScore(user=owner, sitting_id=over.id, occupation_code="15-1252", parameter_version="2026.1", **told)
    session.add_all([done, open_one, score, Assessment(user=owner, component="adaptive")])
    await session.flush()
    answered = {"answer": "a", "is_right": True, "answered_at": utcnow()}
    session.add(Response(assessment_id=done.id, position=1, item_id="con-01", candidates=[], **answered))
    session.add(Response(assessment_id=open_one.id, position=1, item_id="fra-01", candidates=[]))
    await session.commit()


BANK = {"bank_version": "1", "bank_sha256": "0" * 64, "seed": "s"}
PARTS = text("SELECT component, status FROM assessments ORDER BY component")


async def counts(session: Session, *names: str) -> list[int]:
    return [await session.scalar(text(f"SELECT count(*) FROM {name}")) or 0 for name in names]


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

    async def test_without_sittings_the_rows_beside_them_stay_and_no_part_is_open_for_ever(
        self, database: Database
    ) -> None:
        async with database.writing() as session:
            await fill(session)
        try:
            await migrate.downgrade(database, "0007")
            async with database.reading() as session:
                assert await counts(session, "users", "air_scores") == [1, 1]
                parts = [tuple(row) for row in await session.execute(PARTS)]
                assert parts == [("adaptive", "in_progress"), ("domain", "abandoned"), ("fluency", "completed")]
        finally:
            await migrate.upgrade(database)

        async with database.reading() as session:
            assert await counts(session, "users", "assessments", "air_scores") == [1, 3, 1]
            assert await counts(session, "sittings", "responses") == [0, 0]
        await migrate.check(database)

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
