"""What `manage.py bench cache` reports: the cache beside none, and the cache beside others."""

import msgspec

from qulab.lab.experiments import Bench, Experiment, Progress, Table, unseen
from qulab.lab.experiments import cache as through
from qulab.lab.experiments import cache_peer_rows as beside_rows
from qulab.lab.experiments import cache_peers as beside


class ReportParameters(through.CacheBenchParameters, frozen=True, kw_only=True):
    peers: beside.Peers = False
    peer_rounds: beside.PeerRounds = 9
    peer_calls: beside.PeerCalls = 300
    forced: beside.Forced = 1000
    stampedes: beside.StampedeRuns = 20
    outages: beside.Away = True

    @property
    def of_the_peers(self) -> beside.PeersParameters:
        names = beside.PeersParameters.__struct_fields__
        return beside.PeersParameters(**{name: getattr(self, name) for name in names})


class Report(through.CacheComparison, frozen=True, kw_only=True):
    """`others` is None where no rounds beside other caches were asked for."""

    others: beside.PeersResult | None


async def run(parameters: ReportParameters, bench: Bench, progress: Progress = unseen) -> Report:
    """Raises Busy while another run works, RedisError without Redis, ReaderFailed, Disagreement."""
    of_peers = parameters.of_the_peers
    first, second = parameters.repeats, beside.steps(of_peers)

    def after(steps_before: int) -> Progress:
        return lambda done, _total: progress(steps_before + done, first + second)

    compared = await through.compare(parameters, bench, after(0))
    others = await beside.compare_with_peers(of_peers, bench, after(first))
    return Report(**msgspec.structs.asdict(compared), others=others)


def rows(result: Report) -> Table:
    return msgspec.structs.replace(
        through.rows(result), further=beside_rows.rows(result.others) if result.others else []
    )


EXPERIMENT = Experiment(
    name="cache",
    summary="Read profiles through the cache and without it, and beside other caches.",
    parameters=ReportParameters,
    run=run,
    rows=rows,
    unit="steps",
)
