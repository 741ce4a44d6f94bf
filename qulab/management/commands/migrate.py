"""`manage.py migrate` is what a Django developer types first: it says what the command is here."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as DjangoCommand


class Command(DjangoCommand):
    # A subclass, since Django's own checks ask this command for attributes of theirs.
    help = "Not used: the schema is Alembic's. See `manage.py db upgrade`."

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError("The tables are SQLAlchemy's and their migrations Alembic's: use `manage.py db upgrade`.")
