"""How good the test is, told by examinees whose abilities are known: in the pure core, or as people of a database.

The same seed gives the same people and the same answers in both ways, so both must come to the same estimates.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from itertools import count

from assessments.bank import bank
from assessments.examinees import Examinees, examinees
from qulab.lab.experiments import Bench, Experiment, Progress, alone, unseen
from qulab.lab.experiments.simulation_fixed import fixed_banks, sit_on_fixed_banks
from qulab.lab.experiments.simulation_measures import (
    Baselines,
    Readings,
    bins,
    compare,
    comparison,
    components,
    exposure,
    joined,
    of_air,
    of_theta,
    sit_all,
)
from qulab.lab.experiments.simulation_result import Served, SimulationParameters, SimulationResult, gates_of
from qulab.lab.experiments.simulation_rows import rows
from qulab.lab.experiments.simulation_services import Services, differing, serving

SAMPLED = 0  # the component whose estimates are kept as raw readings


async def run(parameters: SimulationParameters, bench: Bench, progress: Progress = unseen) -> SimulationResult:
    """Raises Busy while another simulation runs."""
    with alone():
        async with AsyncExitStack() as stack:
            services = None if parameters.fast else await stack.enter_async_context(serving(bench))
            parts = [part async for part in _blocks(parameters, services, bench, progress)]
        readings, baselines, fixed, others = zip(*parts, strict=True)
        served = services.told(sum(others)) if services is not None else None
        return result_of(joined(readings), list(baselines), joined(fixed), served)


async def _blocks(
    parameters: SimulationParameters, services: Services | None, bench: Bench, progress: Progress
) -> AsyncIterator[tuple[Readings, Baselines, Readings, int]]:
    """Block by block what their tests came to, once more on fixed banks, and how many the two ways do not agree on."""
    total, done = parameters.examinees, 0
    progress(done, total)
    for number, people in zip(count(), examinees(parameters.seed, total)):
        # In a thread: meanwhile the loop hears whether the run is still wanted.
        core = stored = await asyncio.to_thread(_in_the_core, people)
        if services is not None:
            stored = await services.sit_all(people, partial(_tell, progress, done, total))
        baselines = await asyncio.to_thread(compare, people, stored, parameters.seed, number)
        fixed = await asyncio.to_thread(sit_on_fixed_banks, people, parameters.seed)
        for truth, theta in zip(*(one[:, SAMPLED].tolist() for one in (stored.ability, stored.theta)), strict=True):
            bench.sample("θ", truth, theta)
        done += len(people)
        progress(done, total)
        await asyncio.sleep(0)  # where it is cancelled
        yield stored, baselines, fixed, differing(core, stored)


def _in_the_core(people: Examinees) -> Readings:
    return Readings.of(people, sit_all(people))


def _tell(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


def result_of(
    readings: Readings, baselines: list[Baselines], fixed: Readings, served: Served | None
) -> SimulationResult:
    theta, air, shown = of_theta(readings), of_air(readings), exposure(readings)
    compared, released = comparison(readings, baselines), bank()
    return SimulationResult(
        examinees=len(readings.air),
        bank=released.version,
        sha256=released.sha256,
        theta=theta,
        air=air,
        components=list(components(readings)),
        by_truth=list(bins(readings, by=readings.ability, other=readings.theta)),
        by_estimate=list(bins(readings, by=readings.theta, other=readings.ability)),
        exposure=shown,
        comparison=compared,
        served=served,
        gates=gates_of(theta, air, shown, compared, served, len(readings.air)),
        fixed_banks=fixed_banks(fixed),
    )


EXPERIMENT = Experiment(
    name="simulation",
    summary="Let simulated people take the adaptive test, and hold what it says of them against the truth.",
    parameters=SimulationParameters,
    run=run,
    rows=rows,
    unit="examinees",
)
