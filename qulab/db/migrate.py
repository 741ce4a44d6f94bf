"""The schema comes from migrations only, the same on SQLite and PostgreSQL; Alembic runs behind `manage.py db`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError as AlembicError
from django.conf import settings
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from qulab.db.engine import WRITES, Database, sqlite_file

SCRIPTS = Path(__file__).parent / "migrations"


class MigrationFailed(Exception):
    """The migration could not be done; the message is Alembic's own."""


async def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema to `revision`. Of folders it makes the data folder only: another may be a mistyped path."""
    file = sqlite_file(database.url)
    if file is not None and file.parent == settings.QULAB_DATA_DIR:
        file.parent.mkdir(parents=True, exist_ok=True)
    await _run(database, command.upgrade, revision)


async def downgrade(database: Database, revision: str) -> None:
    await _run(database, command.downgrade, revision)


async def check(database: Database) -> None:
    """Raises MigrationFailed when models and migrations differ."""
    await _run(database, command.check)


async def current(database: Database) -> str | None:
    """The revision of the database; None before the first migration."""
    from alembic.runtime.migration import MigrationContext

    async with database.engine.connect() as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def revision(database: Database, message: str) -> None:
    """Write a new migration from the difference between models and database."""
    await _run(database, command.revision, message, autogenerate=True)


@cache
def head() -> str | None:
    """The newest revision there is."""
    return ScriptDirectory(str(SCRIPTS)).get_current_head()


async def _run(database: Database, action: Any, *args: Any, **kwargs: Any) -> None:
    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS))
        config.attributes["connection"] = connection
        try:
            action(config, *args, **kwargs)
        except AlembicError as error:
            raise MigrationFailed(str(error)) from error
        if connection.dialect.name == "sqlite":
            _check_sqlite(connection)

    # A migration writes: on SQLite it takes the write lock at BEGIN, so that two starting processes queue.
    engine = database.engine.execution_options(**{WRITES: True})
    async with engine.connect() as connection, _foreign_keys_off(connection, database.dialect), connection.begin():
        await connection.run_sync(run)


def _check_sqlite(connection: Connection) -> None:
    """What SQLite did not check meanwhile, and the trigger that a table made anew lacks. Raises MigrationFailed."""
    if orphans := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
        raise MigrationFailed(
            f"the migration would leave {len(orphans)} rows without their parent; nothing was changed"
        )
    names = {name for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type <> 'index'")}
    if "domain_events" in names and "domain_events_seq" not in names:
        raise MigrationFailed("the migration would drop the trigger domain_events_seq; nothing was changed")


@asynccontextmanager
async def _foreign_keys_off(connection: AsyncConnection, dialect: str) -> AsyncIterator[None]:
    """SQLite alters a table by making it anew; with foreign keys on, dropping the old one would delete its children."""
    if dialect != "sqlite":
        yield
        return
    raw: Any = (await connection.get_raw_connection()).driver_connection
    await raw.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        await raw.execute("PRAGMA foreign_keys = ON")
