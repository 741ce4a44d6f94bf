"""A process in which tasks write users one after the other, each in a transaction; with or without its event."""

import asyncio
import time

from sqlalchemy.exc import OperationalError

from accounts.models import User
from outbox.events import record_event
from qulab.db.base import new_id
from qulab.lab.experiments.processes.member import Answer, Member


class Worker(Member):
    async def produce(self, *, tasks: int, seconds: float, events: bool, aggregate_type: str) -> Answer:
        """Commits in `seconds`, by `tasks` at once. `locked`: how many SQLite refused, as others wrote too long."""
        self._locked = 0
        began = time.monotonic()
        counts = await asyncio.gather(
            *(self._write_until(began + seconds, events, aggregate_type) for _ in range(tasks))
        )
        return {"commits": sum(counts), "seconds": time.monotonic() - began, "locked": self._locked}

    async def _write_until(self, end: float, events: bool, aggregate_type: str) -> int:
        commits = 0
        while time.monotonic() < end:
            try:
                await self._write(events, aggregate_type)
                commits += 1
            except OperationalError as error:
                if "locked" not in str(error.orig):
                    raise
                self._locked += 1
        return commits

    async def _write(self, events: bool, aggregate_type: str) -> None:
        id_ = new_id()
        user = {"email": f"{id_}@example.com", "name": "A Person", "occupation_code": "15-1252"}
        async with self.database.writing() as session:
            session.add(User(id=id_, **user))
            if events:
                record_event(
                    session, event_type="UserCreated", aggregate_type=aggregate_type, aggregate_id=id_, payload=user
                )
            await session.commit()
