"""An event is written in the session of the change it tells of: both are committed, or neither."""

from typing import Any

from django.conf import settings

from outbox.models import DomainEvent
from outbox.positions import partition_of
from outbox.wake import wake_relay
from qulab import trace
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


def _trace_of(session: Session) -> Trace:
    """The trace of the request or event that is being handled, else one that begins with this unit of work."""
    found = trace.current() or session.info.get("trace")
    if found is None:
        found = session.info["trace"] = trace.begin()
    return found
