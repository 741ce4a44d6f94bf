"""What tests of the outbox share: writing events, and reading streams with a plain client."""

from collections import defaultdict
from typing import Any

from redis.asyncio import Redis

from outbox.envelope import Envelope, decode
from outbox.events import record_event
from qulab.db.engine import Database


async def write_events(database: Database, count: int, *, aggregates: int = 3, aggregate_type: str = "Order") -> None:
    """Events in turn over the aggregates, numbered within each."""
    async with database.writing() as session:
        for number in range(count):
            record_event(
                session,
                event_type="OrderChanged",
                aggregate_type=aggregate_type,
                aggregate_id=str(number % aggregates),
                payload={"number": number // aggregates},
            )
            await session.flush()
        await session.commit()


async def published(streams: Redis, stream: str = "events:Order") -> list[Envelope]:
    entries: Any = await streams.xrange(stream)
    return [decode(fields["event"]) for _, fields in entries]


def by_aggregate(envelopes: list[Envelope]) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = defaultdict(list)
    for envelope in envelopes:
        numbers[envelope.subject].append(envelope.data["number"])
    return numbers


class Died(BaseException):
    """In place of SIGKILL, where a test says exactly when."""


async def die(*_args: object, **_kwargs: object) -> None:
    raise Died
