"""A batch keeps the order of each aggregate: what follows an event that cannot be sent waits for it."""

from collections.abc import Iterable
from typing import Any

import msgspec
from django.conf import settings

from outbox.envelope import decode, encode
from outbox.marks import Message
from qulab import trace
from qulab.cache import keys

MOST_BYTES = 16 * 1024 * 1024  # of the entries of one batch: one call must not hold Redis for long


class Failure(msgspec.Struct, frozen=True):
    """An event that cannot be encoded, with its attempts so far."""

    event_id: str
    attempts: int
    error: str
    trace: str = ""  # as the log adds it


def encode_all(rows: Iterable[Any]) -> tuple[list[Message], list[Failure]]:
    """Encode in order, up to MOST_BYTES. What follows an event that fails, in its aggregate, waits for it."""
    messages: list[Message] = []
    failures: list[Failure] = []
    waiting: set[tuple[str, str]] = set()
    size = 0
    for row in rows:
        aggregate = (row.aggregate_type, row.aggregate_id)
        if aggregate in waiting:
            continue
        try:
            envelope = _encode(row)
        except (TypeError, ValueError) as error:
            failures.append(Failure(row.id, row.attempts, f"{type(error).__name__}: {error}", _trace_of(row)))
            waiting.add(aggregate)
            continue
        size += len(envelope)
        if messages and size > MOST_BYTES:
            break
        messages.append(Message(row.id, row.aggregate_id, keys.stream(row.aggregate_type), envelope, row.attempts))
    return messages, failures


def refused(messages: list[Message], kinds: dict[str, str]) -> list[Failure]:
    """The first event of each aggregate whose stream cannot be written; the others go into the next pass."""
    first = {(message.stream, message.aggregate_id): message for message in reversed(messages)}
    return [
        Failure(
            message.id,
            message.attempts,
            f"the key {stream} holds a {kinds[stream]}, and no stream",
            trace.named(decode(message.envelope).traceparent),
        )
        for (stream, _), message in first.items()
        if stream in kinds
    ]


def _check_size(envelope: bytes) -> None:
    """Redis would refuse the whole batch for one entry beyond its own bound: that event alone must fail."""
    if len(envelope) > settings.OUTBOX_EVENT_BYTES:
        raise ValueError(
            f"the entry would have {len(envelope)} bytes, and QULAB_OUTBOX_EVENT_BYTES allows "
            f"{settings.OUTBOX_EVENT_BYTES}: put what is large elsewhere, and its address into the event"
        )


def _encode(row: Any) -> bytes:
    envelope = encode(
        id_=row.id,
        event_type=row.event_type,
        aggregate_type=row.aggregate_type,
        aggregate_id=row.aggregate_id,
        created_at=row.created_at,
        schema_version=row.schema_version,
        headers=msgspec.json.decode(row.headers),
        payload=msgspec.json.decode(row.payload),
    )
    _check_size(envelope)
    return envelope


def _trace_of(row: Any) -> str:
    try:
        return trace.named(msgspec.json.decode(row.headers, type=dict[str, Any]).get("traceparent"))
    except msgspec.DecodeError:
        return ""  # its headers may be what cannot be sent
