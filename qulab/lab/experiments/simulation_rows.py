"""What the terminal shows of a simulation: each gate with its figure, met or missed, then what else was measured."""

from qulab.lab.experiments import Table
from qulab.lab.experiments.simulation_fixed import OverBanks, over_banks
from qulab.lab.experiments.simulation_result import Accuracy, Estimated, Gate, SimulationResult
from qulab.lab.experiments.tables import figure

GATES = {  # the name of each with its unit, and with the decimals of its figure
    "theta-coverage": ("coverage of the 95 % interval of θ, %", 2),
    "air-coverage": ("coverage of the 95 % interval of AI-R, %", 2),
    "theta-bias": ("bias of θ", 4),
    "oracle": ("RMSE of θ over that of the oracle test", 3),
    "saving": ("items saved against random choice, %", 2),
    "exposure": ("examinees who saw the item that is shown most, %", 1),
    "step": ("one answer in the service, median, ms", 2),
    "recalculated": ("scores that their metadata does not give again", 0),
    "estimated": ("examinees whom services and pure core estimate otherwise", 0),
}
OVER_BANKS = {  # likewise
    "theta-bias": ("bias of θ", 3),
    "air-bias": ("bias of AI-R, points", 2),
    "theta-coverage": ("coverage of θ, %", 1),
    "air-coverage": ("coverage of AI-R, %", 1),
}


def rows(result: SimulationResult) -> Table:
    return Table(
        headings=["gate", "required", "measured", "standard error", ""],
        rows=[_gate(one) for one in result.gates],
        notes=[verdict(result)],
        further=[_accuracies(result), *_fixed_banks(result), _tests(result)],
    )


def verdict(result: SimulationResult) -> str:
    """Which gates are missed, in a sentence."""
    if not result.missed:
        return f"All {len(result.gates)} gates are met, with {result.examinees:,} examinees."
    named = ", ".join(f"{GATES[one.name][0]}: {_shown(one.value, one)}" for one in result.missed)
    few = f" With {result.examinees:,} examinees chance alone may miss a gate: look at the standard errors."
    return f"{len(result.missed)} of {len(result.gates)} gates are missed: {named}.{few if result.by_chance else ''}"


def required(gate: Gate) -> str:
    if gate.high is None:
        return f"at least {gate.low:g}"
    if gate.low is None:
        return f"{'below' if gate.below else 'at most'} {gate.high:g}"
    return f"{'between ' if gate.below else ''}{gate.low:g} {'and' if gate.below else 'to'} {gate.high:g}"


def _gate(gate: Gate) -> list[str]:
    error = _shown(gate.se, gate) if gate.se else "–"
    return [GATES[gate.name][0], required(gate), _shown(gate.value, gate), error, "met" if gate.met else "MISSED"]


def _shown(value: float, gate: Gate) -> str:
    return f"{value:.{GATES[gate.name][1]}f}"


def _accuracies(result: SimulationResult) -> Table:
    told = [("θ, all components", result.theta), *((one.name, one.accuracy) for one in result.components)]
    return Table(
        headings=["estimate of", "bias", "RMSE", "coverage, %", "stated SD"],
        rows=[_accuracy(name, one) for name, one in [*told, ("AI-R, points", result.air)]],
        notes=["With standard errors. AI-R is held against the formula of the true θ."],
    )


def _accuracy(name: str, of: Accuracy) -> list[str]:
    return [name, with_error(of.bias, 4), with_error(of.rmse, 3), with_error(of.coverage, 2), f"{of.sd:.3f}"]


def with_error(of: Estimated, digits: int) -> str:
    return f"{of.value:.{digits}f} ± {of.se:.{digits}f}"


def _fixed_banks(result: SimulationResult) -> list[Table]:
    banks = result.fixed_banks
    if not banks:
        return []
    note = (
        f"Above, an item's difficulty errs anew for each examinee, so that it averages out. Here each of {len(banks)} "
        f"banks has one error an item for all of its examinees, at most {banks[0].examinees:,}, as a real bank has. "
        "No gate."
    )
    headings = ["over fixed banks", "lowest", "highest", "standard error of one"]
    return [Table(headings=headings, rows=[_over_banks(one) for one in over_banks(banks)], notes=[note])]


def _over_banks(one: OverBanks) -> list[str]:
    name, digits = OVER_BANKS[one.name]
    return [name, *(f"{value:.{digits}f}" for value in (one.low, one.high, one.se))]


def _tests(result: SimulationResult) -> Table:
    return Table(
        headings=["test of", "items", "precise, %"],
        rows=[[one.name, f"{one.items:.2f}", f"{one.reached:.1f}"] for one in result.components],
        notes=[*_compared(result), *_served(result)],
    )


def _compared(result: SimulationResult) -> list[str]:
    most, least, of = result.exposure[0], result.exposure[-1], result.comparison
    return [
        f"Precise: a posterior SD of at most .50. Random choice takes {of.random_items:.1f} items for the same, "
        f"where the adaptive test takes {of.adaptive_items:.1f}.",
        f"Shown most: {most.item}, to {most.percent:.1f} %; shown least: {least.item}, to {least.percent:.1f} %.",
    ]


def _served(result: SimulationResult) -> list[str]:
    if result.served is None:
        return []
    return [
        f"{result.served.answers:,} answers through the services: median {figure(result.served.p50)} ms, "
        f"95 % within {figure(result.served.p95)} ms.",
    ]
