"""`manage.py prepare`: the newest tables, and sample users where there are no users; what is there stays untouched."""

from typing import Any

from accounts.repositories import UserRepository
from accounts.services import create_sample_users
from qulab.db.command import AsyncCommand
from qulab.db.engine import get_database
from qulab.db.migrate import head, upgrade


class Command(AsyncCommand):
    help = "Bring the database to the newest migration and give an empty one its sample users."

    async def execute_async(self, **options: Any) -> None:
        database = get_database()
        await upgrade(database)
        self.stdout.write(f"The tables are those of revision {head()}.")
        async with database.writing() as session:
            if not await UserRepository(session).exists():
                users = await create_sample_users(session)
                self.stdout.write(f"Created {' and '.join(user.name for user in users)}.")
