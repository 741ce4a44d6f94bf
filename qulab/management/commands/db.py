"""`manage.py db upgrade|downgrade|current|revision|check`: the schema of the database that DATABASE_URL names."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from qulab.db import migrate
from qulab.db.command import AsyncCommand
from qulab.db.engine import Database, get_database


class Command(AsyncCommand):
    help = "Bring the database's schema to a revision, tell where it stands, or check it against the models."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(
            dest="action", required=True, metavar="upgrade|downgrade|current|revision|check"
        )
        upgrade = actions.add_parser("upgrade", help="to the newest revision, or the one named")
        upgrade.add_argument("revision", nargs="?", default="head")
        downgrade = actions.add_parser("downgrade", help="to the revision named; `base` removes all tables")
        downgrade.add_argument("revision")
        actions.add_parser("current", help="the revision of the database")
        revision = actions.add_parser("revision", help="write a migration for what differs")
        revision.add_argument("-m", "--message", required=True)
        actions.add_parser("check", help="fail when models and migrations differ")

    async def execute_async(self, **options: Any) -> None:
        database, action = get_database(), options["action"]
        try:
            await self._act(database, action, options)
        except migrate.MigrationFailed as error:
            raise CommandError(f"manage.py db {action}: {error}") from error

    async def _act(self, database: Database, action: str, options: dict[str, Any]) -> None:
        match action:
            case "upgrade":
                await migrate.upgrade(database, options["revision"])
            case "downgrade":
                await migrate.downgrade(database, options["revision"])
            case "revision":
                await migrate.revision(database, options["message"])
            case "check":
                await migrate.check(database)
        if action == "check":
            self.stdout.write("Models and migrations agree.")
        else:
            self.stdout.write(f"Revision {await migrate.current(database) or 'none'} (newest: {migrate.head()}).")
