"""A cached value is a frozen snapshot; an entry written with another schema of its type is a miss, never an error."""

import random
import time
from hashlib import blake2b
from typing import Generic, TypeVar

import msgspec

from qulab.cache import keys

Value = TypeVar("Value", bound=msgspec.Struct)

# An entry: 4 bytes of the schema's hash, 8 bytes of the time at which it stops being fresh (Unix, in ms), the value.
SCHEMA, HEAD = 4, 12
ABSENT = b"-"  # in place of the value: there is no such row


class Undecodable(Exception):
    """The entry was written with another schema, or is damaged. It counts as a miss and is overwritten."""


class CacheSpec(Generic[Value]):
    """How one kind of value is cached. Times are in seconds; `jitter` is the part of the TTL that varies.

    Past `ttl` a value is still answered for `grace`, while it is loaded again: also when the database is away.
    """

    def __init__(
        self,
        name: str,
        type_: type[Value],
        *,
        ttl: float,
        grace: float = 60.0,
        negative_ttl: float = 5.0,
        jitter: float = 0.1,
    ) -> None:
        self.name = name
        self._ttl = ttl
        self._grace = grace
        self._negative_ttl = negative_ttl
        self._jitter = jitter
        self._schema = blake2b(msgspec.json.encode(msgspec.json.schema(type_)), digest_size=SCHEMA).digest()
        self._decoder = msgspec.msgpack.Decoder(type_)
        self._encoder = msgspec.msgpack.Encoder()

    def key(self, id_: str) -> str:
        return keys.entry(self.name, id_)

    def encode(self, value: Value | None) -> tuple[bytes, int]:
        """The entry, and the milliseconds that Redis is to keep it."""
        fresh = self._negative_ttl if value is None else self._ttl
        fresh *= random.uniform(1 - self._jitter, 1)  # noqa: S311 - entries of one moment must not expire together
        until = int((time.time() + fresh) * 1000)
        kept = fresh + (0.0 if value is None else self._grace)
        body = ABSENT if value is None else self._encoder.encode(value)
        return self._schema + until.to_bytes(HEAD - SCHEMA, "big") + body, max(1, int(kept * 1000))

    def decode(self, entry: bytes) -> Value | None:
        """The value, or None where the entry says that there is no such row. Raises Undecodable."""
        if entry[:SCHEMA] != self._schema:
            raise Undecodable
        if entry[HEAD:] == ABSENT:
            return None
        try:
            return self._decoder.decode(memoryview(entry)[HEAD:])
        except msgspec.DecodeError as error:
            raise Undecodable from error

    @staticmethod
    def is_fresh(entry: bytes) -> bool:
        return int.from_bytes(entry[SCHEMA:HEAD], "big") > time.time() * 1000
