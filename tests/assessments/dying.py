"""`python -m tests.assessments.dying URL MOMENT USER SITTING QUESTION ANSWER`: answers, and is killed at the commit."""

import asyncio
import json
import os
import signal
import sys

import django


async def main(url: str, moment: str, user_id: str, sitting_id: str, question: str, answer: str) -> None:
    from assessments import sittings
    from qulab.db.engine import open_database
    from qulab.db.session import Session

    commit = Session.commit

    async def commit_and_die(session: Session) -> None:
        if moment == "after":
            await commit(session)
        os.kill(os.getpid(), signal.SIGKILL)

    Session.commit = commit_and_die  # type: ignore[method-assign]
    async with open_database(url) as database, database.writing() as session:
        await sittings.answer(
            session, user_id=user_id, sitting_id=sitting_id, question=question, answer=json.loads(answer)
        )


if __name__ == "__main__":
    django.setup()
    asyncio.run(main(*sys.argv[1:]))
