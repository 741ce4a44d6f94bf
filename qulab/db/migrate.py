"""The schema comes from migrations only, the same on SQLite and PostgreSQL; Alembic runs behind `manage.py db`."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError as AlembicError
from sqlalchemy import Connection

from qulab.db.engine import Database, sqlite_file

SCRIPTS = Path(__file__).parent / "migrations"


class MigrationFailed(Exception):
    """The migration could not be done; the message is Alembic's own."""


async def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema to `revision`. Creates the folder of an SQLite file."""
    file = sqlite_file(database.url)
    if file is not None:
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

    # A migration writes: on SQLite it takes the write lock at BEGIN, so that two starting processes queue.
    async with database.engine.execution_options(qulab_writes=True).begin() as connection:
        await connection.run_sync(run)
