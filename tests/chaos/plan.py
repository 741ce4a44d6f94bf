"""The same seed gives the same schedule: which faults, in which order, and each with its parameters."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TypeVar

import msgspec

Choice = TypeVar("Choice")


class Kind(StrEnum):
    """What is done to a run. The value is its name in reports and on the command line."""

    RELAY_KILLED = "relay-killed"
    RELAY_DIES_BEFORE_COMMIT = "relay-dies-before-commit"  # Redis has the batch, and the database does not know
    RELAY_DIES_IN_RECOVERY = "relay-dies-in-recovery"  # Redis has begun a generation, and the database does not know
    RELAY_STOPPED = "relay-stopped"  # SIGSTOP, and SIGCONT later
    RELAY_OVERSLEEPS = "relay-oversleeps"  # it stops inside a pass, its session is taken away, and it wakes up
    CONSUMER_KILLED = "consumer-killed"
    PRODUCER_KILLED = "producer-killed"
    BACKEND_TERMINATED = "backend-terminated"
    BACKEND_KILLED = "backend-killed"  # SIGKILL: PostgreSQL ends all sessions and replays its log
    POSTGRES_RESTARTED = "postgres-restarted"
    REDIS_KILLED = "redis-killed"
    REDIS_HANGS = "redis-hangs"  # what was sent to it meanwhile is carried out when it goes on
    REDIS_OLDER = "redis-older"  # an older copy of its file is put back
    REDIS_OLDER_WHEN_IDLE = "redis-older-when-idle"  # the same after everything was published: always the last fault
    REDIS_FROM_OTHER_PAST = "redis-from-other-past"  # older data, then what had once come after it
    REDIS_EMPTIED = "redis-emptied"
    STREAM_DELETED = "stream-deleted"
    POISON = "poison"  # an event that cannot be encoded


WEIGHTS = {
    Kind.RELAY_KILLED: 30,
    Kind.RELAY_DIES_BEFORE_COMMIT: 24,
    Kind.RELAY_DIES_IN_RECOVERY: 6,
    Kind.RELAY_STOPPED: 8,
    Kind.RELAY_OVERSLEEPS: 8,
    Kind.CONSUMER_KILLED: 10,
    Kind.PRODUCER_KILLED: 10,
    Kind.BACKEND_TERMINATED: 14,
    Kind.BACKEND_KILLED: 5,
    Kind.POSTGRES_RESTARTED: 5,
    Kind.REDIS_KILLED: 12,
    Kind.REDIS_HANGS: 6,
    Kind.REDIS_OLDER: 12,
    Kind.REDIS_OLDER_WHEN_IDLE: 0,
    Kind.REDIS_FROM_OTHER_PAST: 3,
    Kind.REDIS_EMPTIED: 1,
    Kind.STREAM_DELETED: 2,
    Kind.POISON: 5,
}
OF_POSTGRESQL = {Kind.BACKEND_TERMINATED, Kind.BACKEND_KILLED, Kind.POSTGRES_RESTARTED}
# Each publishes everything again that was published before: late in a long run that would be all that happens.
EARLY = {Kind.REDIS_EMPTIED, Kind.STREAM_DELETED}
EARLY_SHARE = 0.2
OLDEST_COPY = 6  # faults
OF_COPIES = {Kind.REDIS_OLDER, Kind.REDIS_OLDER_WHEN_IDLE, Kind.RELAY_DIES_IN_RECOVERY}
ONLY_WHEN_NAMED: set[Kind] = set()
# What older copies lead to is no longer the past of Redis. To put one back all the same is REDIS_FROM_OTHER_PAST.
LOSSES = OF_COPIES | EARLY | {Kind.REDIS_FROM_OTHER_PAST}


class Fault(msgspec.Struct, frozen=True):
    """One fault. Each kind uses of the parameters what it needs.

    `at`: how much of its share of the events is written before it. `pick`: which process, session or stream, as a
    fraction of how many there are. `seconds`: a pause. `age`: how many faults earlier the copy was taken that is put
    back. `first`: of two ways to do it, the first.
    """

    kind: Kind
    at: float = 0.5
    pick: float = 0.0
    seconds: float = 0.1
    age: int = 2
    first: bool = True

    def choose(self, some: Sequence[Choice]) -> Choice:
        return some[int(self.pick * len(some))]


class Plan(msgspec.Struct, frozen=True):
    """One run. `mutations` are flags of the processes that take a protection out of them."""

    events: int
    faults: list[Fault]
    seed: int = 1
    database: str = "postgresql"
    relays: int = 3
    producers: int = 3
    consumers: int = 2
    aggregates: int = 48
    partitions: int = 8
    session_is_kept: bool = False  # of a relay that oversleeps; else it is ended, as PostgreSQL does after a while
    mutations: list[str] = []
    patience: float = 60.0  # seconds without any progress, after which a run is stuck


class UnknownKind(Exception):
    """There is no such kind of fault."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no kind of fault {name!r}; there are {', '.join(Kind)}")


def schedule(
    *, seed: int, kills: int, database: str, without: Iterable[str] = (), also: Iterable[str] = ()
) -> list[Fault]:
    """`kills` faults in random order: one of each kind that the database allows where there is room, then by weight.

    `also` names kinds that are there only when named.

    Raises UnknownKind.
    """
    chance = random.Random(seed)
    left_out = _named(without) | (ONLY_WHEN_NAMED - _named(also))
    kinds = [kind for kind in Kind if kind not in left_out]
    if database != "postgresql":
        kinds = [kind for kind in kinds if kind not in OF_POSTGRESQL]
    last = [kind for kind in kinds if kind is Kind.REDIS_OLDER_WHEN_IDLE][:kills]
    others = [kind for kind in kinds if kind not in last]
    weights = [WEIGHTS[kind] for kind in others]
    wanted = kills - len(last)
    some = others if wanted >= len(others) else chance.sample(others, wanted)
    some = some + (chance.choices(others, weights, k=wanted - len(some)) if others else [])
    return [_fault(kind, chance) for kind in _in_order(some, chance) + last]


def copies(faults: list[Fault]) -> dict[int, list[int]]:
    """For the number of a fault, those of the later ones for which Redis' data are copied just before it."""
    taken: dict[int, list[int]] = defaultdict(list)
    earliest = 0
    for number, fault in enumerate(faults):
        if fault.kind in OF_COPIES:
            taken[max(earliest, number - fault.age)].append(number)
        if fault.kind in LOSSES:
            earliest = number + 1
    return taken


def _named(names: Iterable[str]) -> set[Kind]:
    for name in names:
        if name not in set(Kind):
            raise UnknownKind(name)
    return {Kind(name) for name in names}


def _in_order(kinds: list[Kind], chance: random.Random) -> list[Kind]:
    """At random, but the early ones early."""
    early = [kind for kind in kinds if kind in EARLY]
    order = [kind for kind in kinds if kind not in EARLY]
    chance.shuffle(order)
    for kind in early:
        order.insert(chance.randint(0, int(len(order) * EARLY_SHARE)), kind)
    return order


def _fault(kind: Kind, chance: random.Random) -> Fault:
    return Fault(
        kind=kind,
        at=round(chance.uniform(0.1, 0.8), 3),
        pick=round(chance.random(), 3),
        seconds=round(chance.uniform(0.0, 1.0) ** 2, 3),
        age=chance.randint(1, OLDEST_COPY),
        first=chance.random() < 0.5,
    )
