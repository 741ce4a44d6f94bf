"""The places and names of one run of the outbox experiment: no relay and no consumer of the application sees them."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from redis.asyncio import Redis

from outbox.events import record_event
from outbox.models import DomainEvent
from outbox.positions import PartitionRepository
from outbox.relay import Relay
from outbox.wake import push_hint, wake_relay
from qulab.cache import keys
from qulab.db.base import new_id
from qulab.db.engine import Database
from qulab.db.loop import raise_if_cancelled
from qulab.db.session import Hook, Session
from qulab.lab.experiments import Progress

AGGREGATES = 200  # that events are spread over, and by them over the partitions

SampleOf = Callable[[str, float, float], None]
"""Called with (series, x, y) for one raw reading."""


def unkept(_series: str, _x: float, _y: float) -> None:
    """The SampleOf of a run whose readings nobody keeps."""


class OutboxParameters(msgspec.Struct, frozen=True, kw_only=True):
    events: Annotated[int, Meta(ge=1, le=50_000, description="events written, then drained, in each round")] = 4000
    per_commit: Annotated[int, Meta(ge=1, le=500, description="events in one transaction")] = 10
    timed: Annotated[int, Meta(ge=1, le=2000, description="events whose latency is taken in each round")] = 100
    rate: Annotated[int, Meta(ge=1, le=500, description="of these, events a second")] = 40
    repeats: Annotated[int, Meta(ge=1, le=20, description="measured rounds")] = 3
    seconds: Annotated[int, Meta(ge=1, le=600, description="after which nothing more begins")] = 60


class Setting:
    """What the rounds of one run share: the places, one relay, and the names of the two kinds of events."""

    def __init__(
        self,
        database: Database,
        streams: Redis,
        commands: Counter[str],
        parameters: OutboxParameters,
        progress: Progress,
        sample: SampleOf = unkept,
    ) -> None:
        self.database = database
        self.streams = streams
        self.parameters = parameters
        self.ends_at = time.monotonic() + parameters.seconds
        self.commands = commands  # that were sent so far
        self.relay = Relay(database, streams, name="bench")
        self.bulk, self.timed = f"Bulk-{new_id()}", f"Timed-{new_id()}"
        self.last_read = "0"  # the entry of the timed stream that was read last
        self._hint = partial(push_hint, streams)
        self._progress = progress
        self.sample = sample
        self.done = 0  # events, of `total`

    def step(self, events: int) -> None:
        self.done += events
        self._progress(self.done, self.total)

    @property
    def total(self) -> int:
        return self.parameters.repeats * (2 * self.parameters.events + self.parameters.timed)

    @property
    def time_is_up(self) -> bool:
        raise_if_cancelled()  # a library below may have lost it
        return time.monotonic() > self.ends_at

    async def names(self) -> list[str]:
        """Every key that the relay and its hints will write."""
        async with self.database.reading() as session:
            positions = await PartitionRepository(session).positions()
        marks = [key(one.epoch, one.partition) for one in positions for key in (keys.mark, keys.batch_map)]
        return [
            keys.WAKE,
            keys.ACTIVITY,
            keys.STREAMS,
            keys.alive("worker-relay"),
            keys.stream(self.bulk),
            keys.stream(self.timed),
            *marks,
        ]

    @asynccontextmanager
    async def writing(self, *, wakes: bool = True) -> AsyncIterator[Session]:
        """A session whose commit wakes the relay of this run, or none: `wake_relay` would wake the application's."""
        async with self.database.writing() as session:
            on_commit = session.on_commit

            def redirected(hook: Hook) -> None:
                if hook is not wake_relay:
                    on_commit(hook)
                elif wakes:
                    on_commit(self._hint)

            session.on_commit = redirected  # type: ignore[method-assign]
            yield session


def record(session: Session, aggregate_type: str, number: int) -> DomainEvent:
    return record_event(
        session,
        event_type="BenchEventWritten",
        aggregate_type=aggregate_type,
        aggregate_id=str(number % AGGREGATES),
        payload=payload_of(number),
    )


def payload_of(number: int) -> dict[str, Any]:
    return {"number": number, "text": "a payload of about the size of a score's " * 4}
