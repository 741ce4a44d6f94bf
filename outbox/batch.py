"""A batch keeps the order of each aggregate: what follows an event that cannot be sent waits for it."""

from typing import Any

import msgspec

from outbox.envelope import encode
from outbox.marks import Message
from qulab.cache import keys


class Failure(msgspec.Struct, frozen=True):
    """An event that cannot be encoded, with its attempts so far."""

    event_id: str
    attempts: int
    error: str


def encode_all(rows: Any) -> tuple[list[Message], list[Failure]]:
    """Encode in order. What follows an event that fails, in its aggregate, waits for it."""
    messages: list[Message] = []
    failures: list[Failure] = []
    waiting: set[tuple[str, str]] = set()
    for row in rows:
        aggregate = (row.aggregate_type, row.aggregate_id)
        if aggregate in waiting:
            continue
        try:
            envelope = _encode(row)
        except (TypeError, ValueError) as error:
            failures.append(Failure(row.id, row.attempts, f"{type(error).__name__}: {error}"))
            waiting.add(aggregate)
        else:
            stream = keys.stream(row.aggregate_type)
            messages.append(Message(row.id, row.aggregate_id, stream, envelope, row.attempts))
    return messages, failures


def refused(messages: list[Message], kinds: dict[str, str]) -> list[Failure]:
    """The first event of each aggregate whose stream cannot be written; the others go into the next pass."""
    first = {(message.stream, message.aggregate_id): message for message in reversed(messages)}
    return [
        Failure(message.id, message.attempts, f"the key {stream} holds a {kinds[stream]}, and no stream")
        for (stream, _), message in first.items()
        if stream in kinds
    ]


def _encode(row: Any) -> str:
    return encode(
        id_=row.id,
        event_type=row.event_type,
        aggregate_type=row.aggregate_type,
        aggregate_id=row.aggregate_id,
        created_at=row.created_at,
        schema_version=row.schema_version,
        headers=row.headers,
        payload=row.payload,
    )
