"""Events are written by the product's `record_event` and drained by its `Relay`; calls are counted, not assumed."""

import time
from collections import Counter

import msgspec
from redis.exceptions import ConnectionError as RedisAway

from qulab.db.probe import Group, probe
from qulab.lab.experiments import Bench, Experiment, Progress, Table, alone, unseen
from qulab.lab.experiments.claim import claimed
from qulab.lab.experiments.outbox_latency import time_events
from qulab.lab.experiments.outbox_setting import OutboxParameters, Setting, record
from qulab.lab.experiments.tables import figure, median, median_of
from qulab.lab.measure import Spread, count_commands, quantile, spread

LONGER = 30.0  # seconds that a run may take beyond its own limit


class Round(msgspec.Struct, frozen=True):
    """One round. Rates in events a second; latencies in milliseconds, from the COMMIT's answer to a consumer's read."""

    written: int
    write_rate: float
    published: int
    drain_rate: float
    batches: int
    statements: int
    groups: list[Group]
    commands: dict[str, int]
    sent: int
    latencies: list[float]

    @property
    def missing(self) -> int:
        """Events that were not published before the time was up."""
        return self.written - self.published + self.sent - len(self.latencies)

    def is_whole(self, parameters: OutboxParameters) -> bool:
        """Whether there was time for all of it."""
        return (self.written, self.sent, self.missing) == (parameters.events, parameters.timed, 0)


class OutboxResult(msgspec.Struct, frozen=True):
    """Medians over the rounds, of which `asked` were wanted. Counts include what a drain asks around its batches."""

    writing: Spread
    draining: Spread
    batches: Spread
    statements_per_batch: Spread
    commands_per_batch: Spread
    p50: Spread | None
    p95: Spread | None
    p99: Spread | None
    asked: int
    rounds: list[Round]


async def run(parameters: OutboxParameters, bench: Bench, progress: Progress = unseen) -> OutboxResult:
    """Write, drain and time, round after round. Raises Busy while another run works, RedisError without Redis."""
    streams = bench.redis(text=True)
    commands = count_commands(streams)  # before it opens a connection
    await streams.ping()
    with alone():
        async with bench.migrated() as database:
            setting = Setting(database, streams, commands, parameters, progress, bench.sample)
            async with claimed(streams, await setting.names(), seconds=parameters.seconds + LONGER):
                rounds = await _rounds(setting)
    progress(setting.total, setting.total)
    return _result(rounds, parameters.repeats)


async def _rounds(setting: Setting) -> list[Round]:
    await _write(setting, 1)  # unmeasured: opens the connections, compiles the statements, loads the script
    await setting.relay.drain()
    setting.done = 0
    rounds: list[Round] = []
    for _ in range(setting.parameters.repeats):
        if rounds and setting.time_is_up:
            break
        one = await _round(setting)
        if rounds and not one.is_whole(setting.parameters):
            break  # a round that was cut short is not like the others
        rounds.append(one)
    return rounds


async def _round(setting: Setting) -> Round:
    written, seconds = await _write(setting, setting.parameters.events)
    before = Counter(setting.commands)
    with probe(setting.database.engine) as opened:
        tally = await setting.relay.drain(setting.ends_at)
    commands = setting.commands - before
    if tally.published < written and not setting.time_is_up:
        raise RedisAway("the relay could not publish all events: an outage, which a relay waits out")
    setting.step(tally.published)
    sent, latencies = await time_events(setting)
    return Round(
        written=written,
        write_rate=written / seconds,
        published=tally.published,
        drain_rate=tally.published / tally.seconds,
        batches=tally.passes,
        statements=opened.count,
        groups=opened.groups(),
        commands=dict(commands),
        sent=sent,
        latencies=latencies,
    )


async def _write(setting: Setting, events: int) -> tuple[int, float]:
    """Commit `events` in transactions of `per_commit`; returns how many there was time for, and the seconds."""
    began, written = time.perf_counter(), 0
    while written < events and not (written and setting.time_is_up):
        part = range(written, min(written + setting.parameters.per_commit, events))
        async with setting.writing() as session:
            for number in part:
                record(session, setting.bulk, number)
            await session.commit()
        written = part.stop
        setting.step(len(part))
    return written, time.perf_counter() - began


# --- What it comes to ------------------------------------------------------------------------------------------------


def _result(rounds: list[Round], asked: int) -> OutboxResult:
    return OutboxResult(
        writing=spread([one.write_rate for one in rounds]),
        draining=spread([one.drain_rate for one in rounds]),
        batches=spread([one.batches for one in rounds]),
        statements_per_batch=spread([one.statements / one.batches for one in rounds]),
        commands_per_batch=spread([sum(one.commands.values()) / one.batches for one in rounds]),
        p50=_quantiles(rounds, 0.5),
        p95=_quantiles(rounds, 0.95),
        p99=_quantiles(rounds, 0.99),
        asked=asked,
        rounds=rounds,
    )


def _quantiles(rounds: list[Round], q: float) -> Spread | None:
    """The q-quantile of each round that timed anything."""
    measured = [quantile(one.latencies, q) for one in rounds if one.latencies]
    return spread(measured) if measured else None


def rows(result: OutboxResult) -> Table:
    measured = [
        ("written, events/s", result.writing),
        ("drained, events/s", result.draining),
        ("statements a batch", result.statements_per_batch),
        ("Redis commands a batch", result.commands_per_batch),
        ("COMMIT to consumer p50, ms", result.p50),
        ("COMMIT to consumer p95, ms", result.p95),
        ("COMMIT to consumer p99, ms", result.p99),
    ]
    lines = [[name, *(median(one) if one else [figure(None)] * 3)] for name, one in measured]
    return Table(["what", *median_of("median")], lines)


EXPERIMENT = Experiment(
    name="outbox-speed",
    summary="Write events, drain them with one relay, and time single ones to a consumer, all in one process.",
    parameters=OutboxParameters,
    run=run,
    rows=rows,
    unit="events",
)
