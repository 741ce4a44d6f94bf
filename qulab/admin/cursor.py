"""A cursor is a row's place in one order. What comes back from an address is checked before the database sees it."""

import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from qulab.db.base import UTCDateTime

LONGEST = 2_000  # characters: two columns of 255, each of four bytes
YEARS = range(1970, 3000)  # beyond these, databases and time zones overflow


class BrokenCursor(Exception):
    """The place in the list could not be understood; the list begins at its first page."""

    def __init__(self) -> None:
        super().__init__(
            _("The place in the list could not be read: it was cut off, or belongs to another order. This is page one.")
        )


def encode(columns: Sequence[Any], row: Any) -> str:
    """The place of `row` in the order of `columns`, safe in an address."""
    place = [[column.key for column in columns], [getattr(row, column.key) for column in columns]]
    return urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def decode(columns: Sequence[Any], text: str) -> list[Any]:
    """The values of `columns` at that place. Raises BrokenCursor."""
    try:
        names, values = msgspec.json.decode(_unwrapped(text), type=tuple[list[str], list[Any]])
    except (ValueError, msgspec.DecodeError) as error:
        raise BrokenCursor from error
    if names != [column.key for column in columns] or len(values) != len(columns):
        raise BrokenCursor
    return [_checked(column, value) for column, value in zip(columns, values, strict=True)]


def _unwrapped(text: str) -> bytes:
    if len(text) > LONGEST or not text.isascii():
        raise BrokenCursor
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _checked(column: Any, value: Any) -> Any:
    kind: type[Any] = datetime if isinstance(column.type, UTCDateTime) else column.type.python_type
    try:
        value = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BrokenCursor from error
    if isinstance(value, str):
        usable = len(value) <= column.type.length and "\x00" not in value
    elif isinstance(value, datetime):
        usable = value.year in YEARS and value.utcoffset() is not None
        value = value.astimezone(UTC) if usable else value
    else:
        usable = math.isfinite(value)
    if not usable:
        raise BrokenCursor
    return value
