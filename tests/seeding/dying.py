"""`python -m tests.seeding.dying URL USERS SCORES MOMENT`: seeds small blocks, and kills itself in the second."""

import asyncio
import os
import signal
import sys
from typing import Any

import django

BLOCK = 20


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main(url: str, users: int, scores: int, moment: str) -> None:
    from assessments import population, seeding
    from qulab.db.engine import open_database
    from qulab.db.session import Session

    population.BLOCK = seeding.BLOCK = BLOCK
    insert, commit, calls = seeding.insert_columns, Session.commit, []

    async def insert_columns(session: Session, table: Any, parts: Any) -> int:
        count = await insert(session, table, parts)
        calls.append(table.name)
        if moment == "half-way" and calls.count("air_scores") == 2:
            die()
        return count

    async def commit_and_die(session: Session) -> None:
        await commit(session)
        if moment == "committed" and calls.count("air_scores") == 2:
            die()

    seeding.insert_columns, Session.commit = insert_columns, commit_and_die
    async with open_database(url) as database:
        await seeding.seed(database, seeding.SeedParameters(users=users, scores_per_user=scores))


if __name__ == "__main__":
    django.setup()
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
