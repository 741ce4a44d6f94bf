"""A process that kills itself at a seam: what it had said before is true, and nothing of it comes after.

Run as a module: `child MOMENT USER OCCUPATION`. It stores a score by the product's own service, on the database and the
Redis of its environment, and writes one LastWord to standard output.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from qulab.db.probe import Statement


class Moment(StrEnum):
    BEFORE_COMMIT = "before-commit"  # the statements of the transaction are sent, its COMMIT is not
    AFTER_PUBLISH = "after-publish"  # Redis has the batch, the database does not know


class LastWord(msgspec.Struct, frozen=True, kw_only=True):
    """`died` is False where another relay was quicker each time, so that there was nothing to die after.

    `entry` is what Redis answered; `tries` counts the scores that were stored for it.
    """

    pid: int
    died: bool = True
    score_id: str = ""
    event_id: str = ""
    stream: str = ""
    entry: str = ""
    partition: int = 0
    tries: int = 1
    statements: list[Statement] = []


MOST_TRIES = 3


def say(word: LastWord) -> None:
    os.write(1, msgspec.json.encode(word) + b"\n")  # at once: what is in a buffer dies too


def die(word: LastWord) -> None:
    say(word)
    os.kill(os.getpid(), signal.SIGKILL)


async def die_before_commit(score: dict[str, Any]) -> None:
    from sqlalchemy import event

    from assessments.models import AIRScore
    from assessments.services import calculate_and_store_airscore
    from outbox.models import DomainEvent
    from qulab.db.engine import get_database
    from qulab.db.probe import probe

    database = get_database()
    async with database.writing() as session:
        with probe(database.engine) as opened:

            @event.listens_for(database.engine.sync_engine, "commit")  # called right before COMMIT is sent
            def die_here(_connection: Any) -> None:
                written = {
                    type(one): one.id for one in session.sync_session if isinstance(one, (AIRScore, DomainEvent))
                }
                die(
                    LastWord(
                        pid=os.getpid(),
                        score_id=written[AIRScore],
                        event_id=written[DomainEvent],
                        statements=opened.statements,
                    )
                )

            await calculate_and_store_airscore(session, **score)


async def die_after_publish(score: dict[str, Any]) -> None:
    from assessments.services import calculate_and_store_airscore
    from outbox.marks import Kind, Marks, Message, Reply
    from outbox.positions import Mark
    from outbox.relay import Relay
    from outbox.wake import Hints, hints
    from qulab.cache.client import get_streams
    from qulab.db.engine import get_database

    class NoHints(Hints):
        """A lost hint costs one tick: the time in which no other relay looks for this event."""

        def want(self) -> None:
            pass

    mine = LastWord(pid=os.getpid())

    class LastMarks(Marks):
        async def publish(self, epoch: str, partition: int, expected: Mark, messages: Sequence[Message]) -> Reply:
            reply = await super().publish(epoch, partition, expected, messages)
            if reply.kind is Kind.PUBLISHED and mine.event_id in reply.map:
                die(msgspec.structs.replace(mine, partition=partition, entry=reply.map[mine.event_id]))
            return reply

    hints.lend(NoHints())
    database, streams = get_database(), get_streams()
    relay = Relay(database, streams)
    await relay.drain()  # connects, and takes what is pending: the next batch is for the new event
    relay._marks = LastMarks(streams, stream_maxlen=relay._marks._stream_maxlen)
    for tries in range(1, MOST_TRIES + 1):
        async with database.writing() as session:
            stored, event = await calculate_and_store_airscore(session, **score)
        mine = msgspec.structs.replace(
            mine,
            score_id=stored.id,
            event_id=event.id,
            stream=f"events:{event.aggregate_type}",
            partition=event.partition,
            tries=tries,
        )
        await relay.drain()
    say(msgspec.structs.replace(mine, died=False))


DEATHS = {Moment.BEFORE_COMMIT: die_before_commit, Moment.AFTER_PUBLISH: die_after_publish}


def main(moment: str, user_id: str, occupation_code: str) -> None:
    import django

    django.setup()
    score = {"user_id": user_id, "occupation_code": occupation_code, "fluency": 0.5, "domain": 0.2, "adaptive": 0.1}
    asyncio.run(_main(moment, score))


async def _main(moment: str, score: dict[str, Any]) -> None:
    from qulab.db.loop import close_all

    try:
        await DEATHS[Moment(moment)](score)
    finally:
        await close_all()


if __name__ == "__main__":
    main(*sys.argv[1:])
