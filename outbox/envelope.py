"""What goes on a stream is a CloudEvents 1.0 event in JSON, in the one field `event` of its entry.

Source: CloudEvents specification 1.0.2 and its JSON format; `traceparent` is its Distributed Tracing extension.
"""

from datetime import datetime
from typing import Any

import msgspec

FIELD = "event"


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str
    dataschema: str
    data: dict[str, Any]
    traceparent: str | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Envelope)


def encode(
    *,
    id_: str,
    event_type: str,
    aggregate_type: str,
    aggregate_id: str,
    created_at: datetime,
    schema_version: int,
    headers: dict[str, Any],
    payload: dict[str, Any],
) -> bytes:
    """The entry of one event. Raises TypeError or ValueError when its payload has no JSON."""
    envelope = Envelope(
        specversion="1.0",
        id=id_,
        source=f"urn:qulab:{aggregate_type}",
        type=event_type,
        subject=aggregate_id,
        time=created_at,
        datacontenttype="application/json",
        dataschema=f"urn:qulab:schema:{event_type}:{schema_version}",
        data=payload,
        traceparent=headers.get("traceparent"),
    )
    return _encoder.encode(envelope)


def decode(text: str | bytes) -> Envelope:
    """Raises msgspec.ValidationError or msgspec.DecodeError for what is not such an event."""
    return _decoder.decode(text)
