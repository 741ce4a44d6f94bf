"""`manage.py outbox` run inside the test, on its database and its Redis."""

import io
import json
from typing import Any

from sqlalchemy import select

from outbox.models import DomainEvent
from qulab.db.engine import Database
from qulab.management.commands.outbox import Command


class Said:
    """What the command wrote to the two outputs."""

    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()

    @property
    def json(self) -> Any:
        return json.loads(self.out.getvalue())


async def outbox(*arguments: str) -> Said:
    said = Said()
    command = Command(stdout=said.out, stderr=said.err, no_color=True)  # type: ignore[arg-type]
    given = vars(command.create_parser("manage.py", "outbox").parse_args(list(arguments)))
    await command.execute_async(**given)
    return said


async def states(database: Database) -> list[str]:
    async with database.reading() as session:
        return list((await session.scalars(select(DomainEvent.status).order_by(DomainEvent.seq))).all())
