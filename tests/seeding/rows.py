"""Rows that were made and not yet stored, as what can be compared and hashed."""

from hashlib import blake2b

import msgspec

from assessments.bank import bank
from assessments.population import Columns

Plain = dict[str, list[str]]


def plain(columns: Columns) -> Plain:
    return {
        name: [bytes(value).decode() if isinstance(value, msgspec.Raw) else str(value) for value in values]
        for name, values in columns.items()
    }


def digest(rows: object) -> str:
    """Without the hash of the item bank, which stands for its texts, too."""
    return blake2b(msgspec.json.encode(rows).replace(bank().sha256.encode(), b"-"), digest_size=8).hexdigest()
