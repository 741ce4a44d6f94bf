"""Someone who takes a test through the services: answers are right or wrong by a seeded chance."""

import random
from typing import Any

from assessments import selectors, sittings
from assessments.bank import Answer, AnyItem, Choice, Multiple, Numeric, bank
from assessments.models import Status
from assessments.selectors import SittingNow
from qulab.db.engine import Database

SOFTWARE_DEVELOPERS = "15-1252"


def right(item: AnyItem) -> Answer:
    return item.key


def wrong(item: AnyItem) -> Answer:
    """An answer that can be given, and is wrong."""
    if isinstance(item, Numeric):
        return item.key + 2 * item.tolerance + 1
    if isinstance(item, Choice):
        return next(letter for letter in item.options if letter != item.key)
    if isinstance(item, Multiple):
        return [next(letter for letter in item.options if letter not in item.key)]
    return sorted(item.options)


class Taker:
    """Whoever has `user_id`."""

    def __init__(self, database: Database, user_id: str, *, seed: int = 1, skill: float = 0.6) -> None:
        self.database, self.user_id, self.skill = database, user_id, skill
        self.random = random.Random(seed)

    async def begin(self, **more: Any) -> str:
        async with self.database.writing() as session:
            return await sittings.begin(
                session, user_id=self.user_id, **{"occupation_code": SOFTWARE_DEVELOPERS, "seed": "test"} | more
            )

    async def now(self, sitting_id: str) -> SittingNow:
        async with self.database.reading() as session:
            return await selectors.sitting_of(session, user_id=self.user_id, sitting_id=sitting_id)

    async def send(self, sitting_id: str, question: str, answer: Answer) -> Status:
        async with self.database.writing() as session:
            return await sittings.answer(
                session, user_id=self.user_id, sitting_id=sitting_id, question=question, answer=answer
            )

    async def abandon(self, sitting_id: str) -> None:
        async with self.database.writing() as session:
            await sittings.abandon(session, user_id=self.user_id, sitting_id=sitting_id)

    async def step(self, sitting_id: str) -> Status:
        """Answer the question that waits."""
        now = await self.now(sitting_id)
        item = bank(now.bank_version).items[now.item_id]
        return await self.send(sitting_id, now.question, (right if self.random.random() < self.skill else wrong)(item))

    async def finish(self, sitting_id: str) -> None:
        while await self.step(sitting_id) is Status.IN_PROGRESS:
            pass
