"""What section 4 shows of a measurement: formulas with its values put in, and what they leave unexplained."""

from typing import Any

import msgspec

from qulab.cache.histogram import Histogram
from qulab.cache.metrics import CacheMetrics, Outcome
from qulab.lab import cache_plots, charts, formulas
from qulab.lab.demonstrations.cache import FETCH_MANY, FORGET, Forgotten
from qulab.lab.experiments.cache import CacheResult
from qulab.lab.runs import SavedRun


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """H and T_avg with their values put in, beside the mean that was measured (milliseconds).

    Of the difference, `filling` is explained by the fills and `rest` by nothing; None where fills were not counted.
    """

    requests: int
    hits: int
    stale_hits: int
    misses: int
    bypassed: int
    ratio: float | None
    ratio_formula: str
    average_formula: str
    average: float | None
    mean: float | None
    difference: float | None
    difference_formula: str
    filling: float | None
    rest: float | None
    t_cache: float | None
    t_database: float | None


class Times(msgspec.Struct, frozen=True):
    """Means in milliseconds, None where nothing was measured. `fills` is how often an entry was stored."""

    cache: float | None
    database: float | None
    mean: float | None
    fill: float | None
    fills: int | None


def cache_metrics(metrics: CacheMetrics) -> Measured:
    """The counters of this process since the last reset."""
    bypassed = metrics.outcomes[Outcome.BYPASS]
    return _measured(
        metrics.hits,
        metrics.outcomes[Outcome.STALE_HIT],
        metrics.misses - bypassed,
        bypassed,
        Times(
            _ms(metrics.looks), _ms(metrics.loads), _ms(metrics.reads), _ms(metrics.fills) or 0.0, metrics.fills.count
        ),
    )


def cache_result(run: SavedRun | None) -> dict[str, Any]:
    if run is None:
        return {}
    if run.kind == FORGET.name:
        return {"differences": differences(run.result)}
    if run.kind != FETCH_MANY.name:
        return {}
    result: CacheResult = run.result
    times = Times(result.t_cache, result.t_database, result.mean, result.t_fill or 0.0, result.fills)
    stale = result.outcomes.count(Outcome.STALE_HIT)
    measured = _measured(result.hits, stale, result.misses, result.bypassed, times)
    return {
        "measured": measured,
        "stripes": charts.stripes(result.outcomes),
        "ratio_plot": cache_plots.ratio_over_time(result.outcomes),
    }


def _measured(hits: int, stale_hits: int, misses: int, bypassed: int, times: Times) -> Measured:
    requests = hits + misses + bypassed
    ratio = hits / requests if requests else None
    formula, average = "", None
    # Where nothing missed, the formula needs no T_database: its weight is zero.
    if ratio is not None and times.cache is not None and (times.database is not None or ratio == 1):
        formula, average = formulas.average_time(ratio, times.cache, times.database or 0.0)
    difference = times.mean - average if times.mean is not None and average is not None else None
    difference_formula, rest = _explained(requests, times, average)
    return Measured(
        requests=requests,
        hits=hits,
        stale_hits=stale_hits,
        misses=misses,
        bypassed=bypassed,
        ratio=ratio,
        ratio_formula=formulas.hit_ratio(hits, requests) if requests else "",
        average_formula=formula,
        average=average,
        mean=times.mean,
        difference=difference,
        difference_formula=difference_formula,
        filling=difference - rest if difference is not None and rest is not None else None,
        rest=rest,
        t_cache=times.cache,
        t_database=times.database,
    )


def _explained(requests: int, times: Times, average: float | None) -> tuple[str, float | None]:
    if times.mean is None or average is None or times.fills is None:
        return "", None
    return formulas.difference(times.mean, average, requests, times.fills, times.fill or 0.0)


def _ms(times: Histogram) -> float | None:
    return None if times.mean is None else 1000 * times.mean


# --- A forgotten invalidation ----------------------------------------------------------------------------------------


class Difference(msgspec.Struct, frozen=True):
    """One field as the cache has it, and as the row has it."""

    name: str
    cached: Any
    row: Any


def differences(result: Forgotten) -> list[Difference]:
    found = [Difference(name, result.cached.get(name), value) for name, value in result.row.items()]
    return [one for one in found if one.cached != one.row]
