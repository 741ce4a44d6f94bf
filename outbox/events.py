"""An event is written in the session of the change it tells of: both are committed, or neither."""

from typing import Any
from zlib import crc32

from django.conf import settings

from outbox.models import DomainEvent
from outbox.wake import wake_relay
from qulab.db.session import Session


def partition_of(aggregate_type: str, aggregate_id: str, count: int) -> int:
    """The unit of order and locking that an aggregate belongs to: crc32 of its key, modulo `count`."""
    return crc32(f"{aggregate_type}:{aggregate_id}".encode()) % count


def record_event(
    session: Session, *, event_type: str, aggregate_type: str, aggregate_id: str, payload: dict[str, Any]
) -> DomainEvent:
    """Add a pending event to `session`; the relay is woken when the session commits."""
    event = DomainEvent(
        event_type=event_type,
        aggregate_type=aggregate_type,
        aggregate_id=aggregate_id,
        payload=payload,
        partition=partition_of(aggregate_type, aggregate_id, settings.OUTBOX_PARTITIONS),
    )
    session.add(event)
    session.on_commit(wake_relay)
    return event
