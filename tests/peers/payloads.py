"""The events that every peer gets: the payloads of `qulab.lab.experiments.outbox_setting`, without its imports."""

from typing import Any


def payload_of(number: int) -> dict[str, Any]:
    return {"number": number, "text": "a payload of about the size of a score's " * 4}
