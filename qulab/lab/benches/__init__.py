"""The workbenches of the lab by name: what a page may start, and what it shows of a run."""

from collections.abc import Mapping

from qulab.lab.benches import cache, cascade, outbox, pool, queries, simulation
from qulab.lab.workbench import Workbench

BENCHES: Mapping[str, Workbench] = {
    one.name: one
    for one in (
        cascade.WORKBENCH,
        pool.WORKBENCH,
        queries.WORKBENCH,
        cache.WORKBENCH,
        outbox.WORKBENCH,
        simulation.WORKBENCH,
    )
}
