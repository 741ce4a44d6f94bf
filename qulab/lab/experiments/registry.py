"""Every experiment by its name: what `manage.py bench` offers, in this order."""

from collections.abc import Mapping

from qulab.lab.experiments import (
    AnyExperiment,
    admin_lists,
    cache_bench,
    cache_contest,
    cascade,
    http,
    outbox,
    outbox_whole,
    pages,
    pool_sweep,
    pool_ways,
    queries,
    repository,
    seed,
    sign_in,
    simulation,
)

EXPERIMENTS: Mapping[str, AnyExperiment] = {
    one.name: one
    for one in (
        cascade.EXPERIMENT,
        pool_sweep.EXPERIMENT,
        pool_ways.EXPERIMENT,
        queries.EXPERIMENT,
        cache_bench.EXPERIMENT,
        cache_contest.EXPERIMENT,
        outbox.EXPERIMENT,
        outbox_whole.EXPERIMENT,
        seed.EXPERIMENT,
        pages.EXPERIMENT,
        admin_lists.EXPERIMENT,
        sign_in.EXPERIMENT,
        http.EXPERIMENT,
        repository.EXPERIMENT,
        simulation.EXPERIMENT,
    )
}
