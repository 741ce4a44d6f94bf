"""A cached value is a frozen snapshot; an entry written with another schema of its type is a miss, never an error."""

import random
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import msgspec

from qulab.cache import keys

Value = TypeVar("Value", bound=msgspec.Struct)

ABSENT = b"-"  # the entry of a row that does not exist


class Undecodable(Exception):
    """The entry was written with another schema, or is damaged. It counts as a miss and is overwritten."""


class CacheSpec(Generic[Value]):
    """How one kind of value is cached. Times are in seconds; `jitter` is the part of the TTL that varies."""

    def __init__(
        self, name: str, type_: type[Value], *, ttl: float, negative_ttl: float = 5.0, jitter: float = 0.1
    ) -> None:
        self.name = name
        self._ttl = ttl
        self._negative_ttl = negative_ttl
        self._jitter = jitter
        self._schema = blake2b(msgspec.json.encode(msgspec.json.schema(type_)), digest_size=4).digest()
        self._decoder = msgspec.msgpack.Decoder(type_)
        self._encoder = msgspec.msgpack.Encoder()

    def key(self, id_: str) -> str:
        return keys.entry(self.name, id_)

    def encode(self, value: Value | None) -> bytes:
        return self._schema + (ABSENT if value is None else self._encoder.encode(value))

    def decode(self, entry: bytes) -> Value | None:
        """The value, or None where the entry says that there is no such row. Raises Undecodable."""
        if entry[:4] != self._schema:
            raise Undecodable
        if entry[4:] == ABSENT:
            return None
        try:
            return self._decoder.decode(memoryview(entry)[4:])
        except msgspec.DecodeError as error:
            raise Undecodable from error

    def ttl_milliseconds(self, value: Any) -> int:
        ttl = self._negative_ttl if value is None else self._ttl
        spread = random.uniform(1 - self._jitter, 1)  # noqa: S311 - so that entries of one moment do not expire together
        return max(1, int(ttl * spread * 1000))
