"""What `manage.py bench cache` reports: the cache beside none, five strategies, and the cache beside others."""

import msgspec

from qulab.lab.experiments import Bench, Experiment, Progress, Table, unseen
from qulab.lab.experiments import cache as through
from qulab.lab.experiments import cache_pairs as pairs
from qulab.lab.experiments import cache_peer_rows as beside_rows
from qulab.lab.experiments import cache_peers as beside
from qulab.lab.experiments.cache_contest import contest, steps


class ReportParameters(through.CacheBenchParameters, frozen=True, kw_only=True):
    operations: pairs.Operations = 300
    concurrency: pairs.Concurrency = 16
    period_ms: pairs.Period = 50
    kills: pairs.Kills = 2
    peers: beside.Peers = False
    peer_rounds: beside.PeerRounds = 9
    peer_calls: beside.PeerCalls = 300
    forced: beside.Forced = 1000
    stampedes: beside.StampedeRuns = 20
    outages: beside.Away = True

    @property
    def of_the_strategies(self) -> pairs.ContestParameters:
        names = ("operations", "concurrency", "period_ms", "kills", "repeats", "seed")
        return pairs.ContestParameters(**{name: getattr(self, name) for name in names})

    @property
    def of_the_peers(self) -> beside.PeersParameters:
        names = beside.PeersParameters.__struct_fields__
        return beside.PeersParameters(**{name: getattr(self, name) for name in names})


class Report(through.CacheComparison, frozen=True, kw_only=True):
    """`strategies` is None where no operations were asked for, `others` where no rounds beside other caches were."""

    strategies: pairs.ContestResult | None
    others: beside.PeersResult | None


async def run(parameters: ReportParameters, bench: Bench, progress: Progress = unseen) -> Report:
    """Raises Busy while another run works, RedisError without Redis, WriterFailed, ReaderFailed, Disagreement."""
    asked, of_peers = parameters.of_the_strategies, parameters.of_the_peers
    first, second, third = parameters.repeats, steps(asked) if asked.operations else 0, beside.steps(of_peers)

    def after(steps_before: int) -> Progress:
        return lambda done, _total: progress(steps_before + done, first + second + third)

    compared = await through.compare(parameters, bench, after(0))
    strategies = await contest(asked, bench, after(first)) if second else None
    others = await beside.compare_with_peers(of_peers, bench, after(first + second))
    return Report(**msgspec.structs.asdict(compared), strategies=strategies, others=others)


def rows(result: Report) -> Table:
    further = [pairs.rows(result.strategies)] if result.strategies else []
    others = beside_rows.rows(result.others) if result.others else []
    return msgspec.structs.replace(through.rows(result), further=[*further, *others])


EXPERIMENT = Experiment(
    name="cache",
    summary="Read profiles through the cache and without it, by five strategies, and beside other caches.",
    parameters=ReportParameters,
    run=run,
    rows=rows,
    unit="steps",
)
