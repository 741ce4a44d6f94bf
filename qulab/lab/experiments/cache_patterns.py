"""A pattern says who is asked for and how often it is a write; one seed gives every strategy the same operations."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

SKEW = 1.1  # exponent of the Zipf law: the user of rank r is asked for in proportion to 1 / r^SKEW
HOT = 0.9  # part of all operations that one user gets


class Operation(NamedTuple):
    id: str
    writes: bool


class Pattern(msgspec.Struct, frozen=True):
    """`writes` is the part of the operations that write; `weights` says how often each of so many users is asked for.

    Without weights each is asked for once.
    """

    name: str
    writes: float
    weights: Callable[[int], list[float]] | None = None


def _zipf(users: int) -> list[float]:
    return [1 / rank**SKEW for rank in range(1, users + 1)]


def _one_hot(users: int) -> list[float]:
    others = max(users - 1, 1)
    return [HOT, *[(1 - HOT) / others] * (users - 1)]


PATTERNS: Mapping[str, Pattern] = {
    one.name: one
    for one in (
        Pattern("read-heavy", 0.05, _zipf),
        Pattern("write-heavy", 0.5, _zipf),
        Pattern("hot key", 0.1, _one_hot),
        Pattern("scan", 0.0),
    )
}


def operations(pattern: Pattern, ids: Sequence[str], count: int, *, users: int, seed: int) -> Iterator[Operation]:
    """`count` operations on the first `users` of `ids`; a scan goes over as many ids as it has operations."""
    if pattern.weights is None:
        return (Operation(id_, writes=False) for id_ in ids[:count])
    chance = random.Random(seed)  # noqa: S311 - a workload, no secret
    asked = chance.choices(ids[:users], pattern.weights(users), k=count)
    return (Operation(id_, chance.random() < pattern.writes) for id_ in asked)
