"""What a pass sends is counted where it is sent: statements at the driver, commands at the client's sockets, WAL by the
server. Nothing of it is known beforehand.

WAL is the server's: what others write meanwhile is in it, and so are the images of pages after a checkpoint.
"""

import time
from collections import Counter
from typing import Any

import msgspec
from redis.exceptions import ConnectionError as RedisAway
from sqlalchemy import text

from outbox.relay import Relay
from outbox.verdict import PROGRESS, Ending
from qulab.db.engine import Database
from qulab.db.probe import Group, probe
from qulab.lab.experiments.outbox_place import Place
from qulab.lab.experiments.outbox_setting import Setting, record
from qulab.lab.measure import Spread, commands_here, spread


class CountedRound(msgspec.Struct, frozen=True):
    """Rate in events a second. WAL in bytes an event, None on SQLite. The lists have a figure for each batch."""

    written: int
    write_rate: float
    write_wal: float | None
    published: int
    batches: int
    statements: int
    groups: list[Group]
    commands: dict[str, int]
    pass_statements: list[int]
    pass_commands: list[int]
    drain_wal: float | None


class Counts(msgspec.Struct, frozen=True):
    """Medians over the rounds; `pass_…` over all batches of all rounds. Those of a drain have its frame in them."""

    writing: Spread
    write_wal: Spread | None
    drain_wal: Spread | None
    pass_statements: Spread
    pass_commands: Spread
    statements_per_batch: Spread
    commands_per_batch: Spread
    rounds: list[CountedRound]


class CountingRelay(Relay):
    """The product's relay; what each pass that moved something has sent is written down beside."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting.database, setting.streams, name="bench")
        self.forget()

    def forget(self) -> None:
        self.pass_statements: list[int] = []
        self.pass_commands: list[int] = []

    async def _pass(self, *given: Any, **named: Any) -> Ending:
        with probe(self._database.engine) as opened, commands_here() as sent:  # passes may run side by side
            ending = await super()._pass(*given, **named)
        if ending in PROGRESS:
            self.pass_statements.append(opened.count)
            self.pass_commands.append(sent.total())
        return ending


async def measure(place: Place) -> Counts:
    async with place.scratch() as setting:
        relay = CountingRelay(setting)
        await _write(setting, 1)  # unmeasured: opens the connections, compiles the statements, loads the script
        await relay.drain()
        rounds = []
        for _ in range(place.parameters.rounds):
            rounds.append(await _round(setting, relay))
            place.steps.step()
    return _result(rounds)


async def _round(setting: Setting, relay: CountingRelay) -> CountedRound:
    count = setting.parameters.events
    relay.forget()
    at_first, began = await _wal(setting.database), time.perf_counter()
    await _write(setting, count)
    write_rate = count / (time.perf_counter() - began)
    in_between, before = await _wal(setting.database), Counter(setting.commands)
    with probe(setting.database.engine) as opened:
        tally = await relay.drain()
    commands, at_last = setting.commands - before, await _wal(setting.database)
    if tally.published < count:
        raise RedisAway("the relay could not publish all events: an outage, which a relay waits out")
    return CountedRound(
        written=count,
        write_rate=write_rate,
        write_wal=_bytes(at_first, in_between, count),
        published=tally.published,
        batches=tally.passes,
        statements=opened.count,
        groups=opened.groups(),
        commands=dict(commands),
        pass_statements=relay.pass_statements,
        pass_commands=relay.pass_commands,
        drain_wal=_bytes(in_between, at_last, count),
    )


async def _write(setting: Setting, count: int) -> None:
    """Through `record_event`, in transactions of `per_commit`."""
    for first in range(0, count, setting.parameters.per_commit):
        async with setting.writing() as session:
            for number in range(first, min(first + setting.parameters.per_commit, count)):
                record(session, setting.bulk, number)
            await session.commit()


async def _wal(database: Database) -> int | None:
    """Bytes of WAL since the server was made; None where there is no such thing to ask."""
    if database.dialect != "postgresql":
        return None
    async with database.reading() as session:
        # What was inserted, also where a commit does not wait until it is written.
        return int(
            await session.scalar(text("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")) or 0
        )


def _bytes(before: int | None, after: int | None, events: int) -> float | None:
    return None if before is None or after is None else (after - before) / events


def _result(rounds: list[CountedRound]) -> Counts:
    return Counts(
        writing=spread([one.write_rate for one in rounds]),
        write_wal=_spread([one.write_wal for one in rounds]),
        drain_wal=_spread([one.drain_wal for one in rounds]),
        pass_statements=spread([count for one in rounds for count in one.pass_statements]),
        pass_commands=spread([count for one in rounds for count in one.pass_commands]),
        statements_per_batch=spread([one.statements / one.batches for one in rounds]),
        commands_per_batch=spread([sum(one.commands.values()) / one.batches for one in rounds]),
        rounds=rounds,
    )


def _spread(values: list[float | None]) -> Spread | None:
    measured = [value for value in values if value is not None]
    return spread(measured) if measured else None
