"""What waits for publication, as a pass reads and writes it: pending rows only, through partial indexes."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import aliased

from outbox.models import DEAD, DISCARDED, ZERO, DomainEvent, Status, waits
from qulab.db.base import UTCDateTime
from qulab.db.session import Session

_REOPENED: dict[str, Any] = {"status": Status.PENDING, "published_at": None, "stream_id": None, "batch": None}


class Lost(msgspec.Struct, frozen=True):
    """What Redis lost of a partition: batches from `since` on, but of that one not the events in `kept`.

    `kept` maps event id to entry id; an event in it that was replayed has another batch by now. With `or_waiting`, what
    is pending counts as well.
    """

    partition: int
    since: int
    kept: dict[str, str]
    or_waiting: bool = False


class RelayRepository:
    """What a pass reads and writes of `domain_events`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._on_postgresql = session.get_bind().dialect.name == "postgresql"
        self._each = func.json_each_text if self._on_postgresql else func.json_each

    async def due(self, partition: int, *, now: datetime, limit: int) -> Sequence[Any]:
        """Due pending rows in order, without those whose aggregate waits for an earlier event."""
        asked = {"partition": partition, "now": now, "most": limit}
        return (await self.session.execute(_due(self._on_postgresql), asked)).all()

    async def settle(self, entries: dict[str, str], *, batch: int, now: datetime) -> int:
        """Mark the events of a map as published in `batch`; returns how many there were."""
        each = self._each(literal(entries, JSON)).table_valued("key", "value", name="entry")
        result = await self.session.execute(
            update(DomainEvent)
            .where(DomainEvent.id == each.c.key)
            .values(
                status=Status.PUBLISHED,
                published_at=now,
                stream_id=each.c.value,
                batch=batch,
                next_attempt_at=None,
            )
            .execution_options(synchronize_session=False)
        )
        return int(result.rowcount)  # type: ignore[attr-defined]

    async def reopen(self, lost: Lost) -> int:
        """Make pending again what was published and is lost; returns how many."""
        result = await self.session.execute(
            update(DomainEvent)
            .where(DomainEvent.partition == lost.partition, *self._was_published(lost))
            .values(_REOPENED)
            .execution_options(synchronize_session=False)
        )
        return int(result.rowcount)  # type: ignore[attr-defined]

    async def oldest_lost(self, lost: Lost) -> Sequence[tuple[str, datetime]]:
        """For each aggregate type that lost something, when the oldest of these events was created."""
        statement = (
            select(DomainEvent.aggregate_type, func.min(DomainEvent.created_at))
            .where(DomainEvent.partition == lost.partition, self._is(lost))
            .group_by(DomainEvent.aggregate_type)
        )
        return [(type_, created_at) for type_, created_at in await self.session.execute(statement)]

    async def which_are_lost(self, lost: Lost, ids: Sequence[str]) -> Sequence[str]:
        """Those of these events that are."""
        statement = select(DomainEvent.id).where(
            DomainEvent.id.in_(ids), DomainEvent.partition == lost.partition, self._is(lost)
        )
        return (await self.session.scalars(statement)).all()

    def _is(self, lost: Lost) -> ColumnElement[bool]:
        published = and_(*self._was_published(lost))
        return or_(published, waits()) if lost.or_waiting else published

    def _was_published(self, lost: Lost) -> list[ColumnElement[bool]]:
        kept = self._each(literal(lost.kept, JSON)).table_valued("key", "value", name="entry")
        return [
            DomainEvent.batch >= lost.since,
            DomainEvent.status == Status.PUBLISHED,
            or_(DomainEvent.batch > lost.since, DomainEvent.id.not_in(select(kept.c.key))),
        ]

    async def reopen_stream(self, partition: int, aggregate_type: str, *, up_to: int) -> int:
        """Make pending again what was published of these aggregates in batches up to `up_to`; returns how many."""
        result = await self.session.execute(
            update(DomainEvent)
            .where(
                DomainEvent.partition == partition,
                DomainEvent.batch <= up_to,
                DomainEvent.aggregate_type == aggregate_type,
                DomainEvent.status == Status.PUBLISHED,
            )
            .values(_REOPENED)
            .execution_options(synchronize_session=False)
        )
        return int(result.rowcount)  # type: ignore[attr-defined]

    async def fail(self, event_id: str, *, attempts: int, error: str, dead: bool, retry_at: datetime) -> None:
        """Note a failed attempt, unless another relay noted one since the row was read."""
        await self.session.execute(
            update(DomainEvent)
            .where(DomainEvent.id == event_id, DomainEvent.attempts == attempts, waits())
            .values(
                attempts=attempts + 1,
                status=Status.DEAD if dead else Status.PENDING,
                next_attempt_at=None if dead else retry_at,
                last_error=error,
            )
            .execution_options(synchronize_session=False)
        )


_DUE = (
    DomainEvent.id,
    DomainEvent.event_type,
    DomainEvent.aggregate_type,
    DomainEvent.aggregate_id,
    DomainEvent.created_at,
    DomainEvent.schema_version,
    # As text: a driver's own reading of JSON costs more than the rest of the pass, and takes what the stream refuses.
    cast(DomainEvent.headers, Text).label("headers"),
    cast(DomainEvent.payload, Text).label("payload"),
    DomainEvent.attempts,
)


NOW: ColumnElement[datetime] = bindparam("now", type_=UTCDateTime())


@cache
def _due(on_postgresql: bool) -> Select[Any]:
    """Kept, since to put it together takes longer than to run it. Parameters: partition, now, most."""
    follows_none = _follows_none_by_sets() if on_postgresql else _follows_none()
    is_due = or_(DomainEvent.next_attempt_at.is_(None), DomainEvent.next_attempt_at <= NOW)
    of_partition = DomainEvent.partition == bindparam("partition")
    statement = select(*_DUE).where(of_partition, waits(), is_due, follows_none)
    return statement.order_by(DomainEvent.seq).limit(bindparam("most"))


def _blocks(event: Any) -> ColumnElement[bool]:
    """Later events of the aggregate wait for this one: it is dead, or its next attempt is yet to come.

    Not by partition: the planner would take the index that holds all published events of one.
    """
    return and_(
        event.published_at.is_(None),
        event.status != DISCARDED,
        event.attempts > ZERO,
        or_(event.status == DEAD, event.next_attempt_at > NOW),
    )


def _follows_none() -> ColumnElement[bool]:
    """No earlier event of the aggregate blocks it."""
    blocker = aliased(DomainEvent)
    earlier_of_its_aggregate = (
        blocker.aggregate_type == DomainEvent.aggregate_type,
        blocker.aggregate_id == DomainEvent.aggregate_id,
        blocker.seq < DomainEvent.seq,
    )
    return ~select(literal(1)).where(_blocks(blocker), *earlier_of_its_aggregate).exists()


def _follows_none_by_sets() -> ColumnElement[bool]:
    """The same for PostgreSQL, which keeps the blockers in a hash: with 50,000 events behind one it takes a third.

    Only an event that is earlier than some blocker, in an aggregate that has one, asks for its own.
    """
    blocker = aliased(DomainEvent)
    aggregates = select(blocker.aggregate_type, blocker.aggregate_id).where(_blocks(blocker))
    last = select(func.max(blocker.seq)).where(_blocks(blocker)).scalar_subquery()
    return or_(
        tuple_(DomainEvent.aggregate_type, DomainEvent.aggregate_id).not_in(aggregates),
        and_(DomainEvent.seq < last, _follows_none()),
    )
