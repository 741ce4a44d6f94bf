"""An event is written in the session of the change it tells of: both are committed, or neither."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from outbox.models import DomainEvent
from outbox.positions import partition_of
from outbox.wake import wake_relay
from qulab import trace
from qulab.db.base import Base
from qulab.db.bulk import Columns, insert_columns
from qulab.db.session import Session
from qulab.trace import Trace


def record_event(
    session: Session, *, event_type: str, aggregate_type: str, aggregate_id: str, payload: dict[str, Any]
) -> DomainEvent:
    """Add a pending event to `session`; the relay is woken when the session commits."""
    event = DomainEvent(
        event_type=event_type,
        aggregate_type=aggregate_type,
        aggregate_id=aggregate_id,
        payload=payload,
        headers={"traceparent": _trace_of(session).traceparent()},
        partition=partition_of(aggregate_type, aggregate_id, settings.OUTBOX_PARTITIONS),
    )
    session.add(event)
    session.on_commit(wake_relay)
    return event


async def record_events(
    session: Session, *, event_type: str, aggregate_type: str, payloads: Mapping[str, dict[str, Any]]
) -> None:
    """Add a pending event about each of many aggregates, by id, at the speed of a bulk insert."""
    count, traceparent = len(payloads), _trace_of(session).traceparent()
    columns: Columns = {
        "event_type": [event_type] * count,
        "aggregate_type": [aggregate_type] * count,
        "aggregate_id": list(payloads),
        "payload": list(payloads.values()),
        "headers": [{"traceparent": traceparent}] * count,
        "partition": [partition_of(aggregate_type, one, settings.OUTBOX_PARTITIONS) for one in payloads],
    }
    await insert_columns(session, Base.metadata.tables[DomainEvent.__tablename__], [columns])
    session.on_commit(wake_relay)


def _trace_of(session: Session) -> Trace:
    """The trace of the request or event that is being handled, else one that begins with this unit of work."""
    found = trace.current() or session.info.get("trace")
    if found is None:
        found = session.info["trace"] = trace.begin()
    return found
