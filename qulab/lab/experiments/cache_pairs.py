"""What a strategy comes to under a pattern: medians over the rounds, but what must never happen is summed up."""

from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from qulab.lab.experiments import Table
from qulab.lab.experiments.cache_kills import Killed
from qulab.lab.experiments.cache_trial import Trial
from qulab.lab.experiments.tables import figure
from qulab.lab.measure import Spread, spread


class ContestParameters(msgspec.Struct, frozen=True, kw_only=True):
    operations: Annotated[int, Meta(ge=1, le=5000, description="for each strategy under each pattern")] = 300
    concurrency: Annotated[int, Meta(ge=1, le=64, description="of these, at the same time")] = 16
    period_ms: Annotated[int, Meta(ge=1, le=1000, description="write-behind flushes, refresh-ahead refreshes, ms")] = 50
    kills: Annotated[int, Meta(ge=0, le=20, description="writers killed for each pair; 0 counts no lost writes")] = 2
    users: Annotated[int, Meta(ge=1, le=1000, description="users that are asked for, but in a scan")] = 100
    repeats: Annotated[int, Meta(ge=1, le=20, description="measured rounds")] = 3
    seed: Annotated[int, Meta(ge=0, le=1_000_000, description="the same seed asks for the same")] = 1


class Pair(msgspec.Struct, frozen=True):
    """One strategy under one pattern. Counts are of one round, times in milliseconds: medians over the rounds.

    `stale` is of all rounds' `reads`. `killed` has one entry for each writer: none where none was killed.
    """

    strategy: str
    pattern: str
    hit_ratio: Spread
    loads: Spread
    commits: Spread
    read_p50: Spread
    read_p99: Spread
    write_p50: Spread | None
    write_p99: Spread | None
    reads: int
    stale: int
    killed: list[Killed]
    trials: list[Trial]

    @property
    def acknowledged(self) -> int:
        """Writes of the writers that were killed."""
        return sum(one.acknowledged for one in self.killed)

    @property
    def lost(self) -> int | None:
        """Of these, how many no database has. None where no writer was killed."""
        return sum(one.lost for one in self.killed) if self.killed else None


class ContestResult(msgspec.Struct, frozen=True):
    pairs: list[Pair]
    parameters: ContestParameters
    seconds: float

    def of(self, strategy: str, pattern: str) -> Pair:
        return next(one for one in self.pairs if (one.strategy, one.pattern) == (strategy, pattern))


def pair(strategy: str, pattern: str, trials: Sequence[Trial], killed: list[Killed]) -> Pair:
    return Pair(
        strategy=strategy,
        pattern=pattern,
        hit_ratio=spread([one.hits / one.reads if one.reads else 0.0 for one in trials]),
        loads=spread([one.loads for one in trials]),
        commits=spread([one.commits for one in trials]),
        read_p50=spread([one.read_p50 for one in trials]),
        read_p99=spread([one.read_p99 for one in trials]),
        write_p50=_spread(one.write_p50 for one in trials),
        write_p99=_spread(one.write_p99 for one in trials),
        reads=sum(one.reads for one in trials),
        stale=sum(one.stale for one in trials),
        killed=killed,
        trials=list(trials),
    )


def _spread(values: Iterable[float | None]) -> Spread | None:
    measured = [value for value in values if value is not None]
    return spread(measured) if measured else None


def rows(result: ContestResult) -> Table:
    return Table(
        headings=["", "H", "loads", "commits", "read p50", "p99", "write p50", "p99", "stale reads", "lost writes"],
        rows=[_row(one) for one in result.pairs],
        notes=_notes(result.parameters),
    )


def _row(one: Pair) -> list[str]:
    figures = (one.hit_ratio, one.loads, one.commits, one.read_p50, one.read_p99, one.write_p50, one.write_p99)
    return [
        f"{one.pattern}: {one.strategy}",
        *(figure(spread.median if spread else None) for spread in figures),
        f"{one.stale:,} of {one.reads:,}",
        figure(None) if one.lost is None else f"{one.lost:,} of {one.acknowledged:,}",
    ]


def _notes(asked: ContestParameters) -> list[str]:
    kills = f"SIGKILL to {asked.kills} writers of each pair" if asked.kills else "not counted, as no writer was killed"
    return [
        f"Medians of {asked.repeats} rounds of {asked.operations} operations, {asked.concurrency} at a time; ms.",
        "Stale: the read began after a newer version had been acknowledged; of all reads.",
        f"Lost: acknowledged, and in no database when the writer was dead ({kills}).",
        "Hit ratio alone hides the two that matter.",
    ]
