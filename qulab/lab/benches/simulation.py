"""How good is the test: on average its intervals hold, and where they hold less is drawn beside it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assessments.bank import bank
from qulab.lab import formulas
from qulab.lab.experiments.simulation import EXPERIMENT
from qulab.lab.experiments.simulation_fixed import OverBanks, over_banks
from qulab.lab.experiments.simulation_result import Bin, Estimated, Gate, SimulationResult
from qulab.lab.forms import NumberField
from qulab.lab.runs import SavedRun
from qulab.lab.sections import THE_TEST
from qulab.lab.simulation_plots import plots
from qulab.lab.workbench import ExperimentForm, Figure, Workbench

MOST, MOST_SERVED = 20_000, 200  # examinees of a page's run, which a worker ends after two minutes
FAR = 1.0  # from here on a true θ is called extreme
SHIFTED = 0.1  # of θ: what the verdict takes notice of


class SimulationForm(ExperimentForm):
    examinees = NumberField(
        least=20, most=MOST, initial=2000, label=gettext_lazy("Examinees"), help_text=gettext_lazy("20–20000")
    )
    seed = NumberField(
        least=0, most=999_999, initial=1, label=gettext_lazy("Seed"), help_text=gettext_lazy("which people")
    )
    fast = forms.TypedChoiceField(
        label=gettext_lazy("Way"),
        choices=[(True, gettext_lazy("pure core")), (False, gettext_lazy("through the services"))],
        coerce=lambda value: value == "True",
        initial=True,
        help_text=gettext_lazy("services: 20–200 examinees"),
        error_messages=dict.fromkeys(["required", "invalid_choice"], gettext_lazy("Choose one of the two.")),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("fast") is False and given.get("examinees", 0) > MOST_SERVED:
            told = _("Enter at most %(most)s: each answer is a transaction of its own.") % {"most": MOST_SERVED}
            self.add_error("examinees", told)
        return given


def verdict(result: SimulationResult) -> str:
    """Where the estimates of extreme abilities lie on average; none where nobody has one."""
    far = [one for one in result.by_truth if abs(one.at) >= FAR]
    if not far:
        return ""
    outward = sum(one.n * (one.mean - one.at) * (1 if one.at > 0 else -1) for one in far) / sum(one.n for one in far)
    return "outward" if outward > SHIFTED else "inward" if outward < -SHIFTED else "right"


def figures(result: SimulationResult) -> list[Figure]:
    n, compared = result.examinees, result.comparison
    items = sum(one.items for one in result.components) / len(result.components)
    found = [
        _figure(_("Coverage, θ"), result.theta.coverage, n, "%"),
        _figure(_("Coverage, AI-R"), result.air.coverage, n, "%"),
        _figure(_("RMSE of θ"), result.theta.rmse, n, better="lower"),
        Figure(name=_("Items of a component"), value=items, text=_("8–15 are allowed"), better="lower"),
        _figure(_("Saved against random choice"), compared.saving, n, "%", better="higher"),
        _figure(_("RMSE, beside the oracle's"), compared.ratio, n, "×", better="lower"),
        Figure(name=_("Most shown item"), value=result.exposure[0].percent, unit="%", text=result.exposure[0].item),
    ]
    return found if result.served is None else [*found, *_served(result)]


def _figure(name: str, of: Estimated, n: int, unit: str = "", *, better: str = "") -> Figure:
    high = min(of.high, 100.0) if unit == "%" else of.high
    return Figure(name=name, value=of.value, unit=unit, low=of.low, high=high, n=n, better=better)


def _served(result: SimulationResult) -> list[Figure]:
    assert result.served is not None
    told = _("95 %% within %(p95).1f ms") % {"p95": result.served.p95}
    return [
        Figure(name=_("One answer in the service"), value=result.served.p50, unit="ms", text=told, better="lower"),
        Figure(
            name=_("Scores stored otherwise"),
            value=result.served.recalculated + result.served.estimated,
            text=_("than recalculated or estimated again"),
            better="lower",
            exact=True,
        ),
    ]


# --- What else is shown ----------------------------------------------------------------------------------------------


class GateView(msgspec.Struct, frozen=True):
    """A gate in words."""

    name: str
    required: str
    measured: str
    error: str
    met: bool


def gates(result: SimulationResult) -> list[GateView]:
    return [_gate(one) for one in result.gates]


def _gate(gate: Gate) -> GateView:
    name, digits = _names()[gate.name]
    error = f"± {gate.se:.{digits}f}" if gate.se else ""
    return GateView(name, _required(gate), f"{gate.value:.{digits}f}", error, gate.met)


def _names() -> dict[str, tuple[str, int]]:
    """By gate, and with the decimals of its figure."""
    return {
        "theta-coverage": (_("Coverage of the 95 % interval of θ, %"), 1),
        "air-coverage": (_("Coverage of the 95 % interval of AI-R, %"), 1),
        "theta-bias": (_("Bias of θ"), 4),
        "oracle": (_("RMSE of θ, over the oracle's"), 3),
        "saving": (_("Items saved against random choice, %"), 1),
        "exposure": (_("Examinees who saw the most shown item, %"), 1),
        "step": (_("One answer in the service, median, ms"), 2),
        "recalculated": (_("Scores that their metadata does not give again"), 0),
        "estimated": (_("Examinees whom service and pure core estimate otherwise"), 0),
    }


def _required(gate: Gate) -> str:
    told = {"low": gate.low, "high": gate.high}
    if gate.low is None:
        return (_("below %(high)g") if gate.below else _("at most %(high)g")) % told
    if gate.high is None:
        return _("at least %(low)g") % told
    return (_("within ±%(high)g") if gate.low == -gate.high else _("%(low)g to %(high)g")) % told


class OverBanksView(msgspec.Struct, frozen=True):
    """What differs from one fixed bank to another, in words."""

    name: str
    low: str
    high: str
    se: str


def _over_banks(one: OverBanks) -> OverBanksView:
    name, digits = {
        "theta-bias": (_("Bias of θ"), 3),
        "air-bias": (_("Bias of AI-R, points"), 2),
        "theta-coverage": (_("Coverage of the 95 % interval of θ, %"), 1),
        "air-coverage": (_("Coverage of the 95 % interval of AI-R, %"), 1),
    }[one.name]
    return OverBanksView(name, *(f"{value:.{digits}f}" for value in (one.low, one.high, one.se)))


class Filled(msgspec.Struct, frozen=True):
    """The formulas with what was measured put in."""

    coverage: str
    saving: str
    ratio: str


def extra(run: SavedRun) -> dict[str, Any]:
    result: SimulationResult = run.result
    tests, compared = result.examinees * len(result.components), result.comparison
    return {
        "gates": gates(result),
        "components": [(bank(result.bank).component(one.name).title, one) for one in result.components],
        "missed": len(result.missed) - len(result.by_chance),
        "over_banks": [_over_banks(one) for one in over_banks(result.fixed_banks)],
        "by_chance": [_names()[gate.name][0] for gate in result.by_chance],
        "filled": Filled(
            coverage=formulas.coverage(round(result.theta.coverage.value / 100 * tests), tests),
            saving=formulas.saving(compared.adaptive_items, compared.random_items),
            ratio=formulas.beside_oracle(result.theta.rmse.value, compared.oracle_rmse.value),
        ),
        "far": _far(result.by_truth),
        "never": sum(one.percent == 0 for one in result.exposure),
    }


def _far(by_truth: Sequence[Bin]) -> float | None:
    """The coverage, in %, of those whose true θ is extreme; None where nobody's is."""
    far = [one for one in by_truth if abs(one.at) >= 2]
    return sum(one.n * one.accuracy.coverage.value for one in far) / sum(one.n for one in far) if far else None


WORKBENCH = Workbench(
    experiment=EXPERIMENT,
    result=SimulationResult,
    section=THE_TEST,
    title=gettext_lazy("Try it: people whose abilities are known"),
    text=gettext_lazy(
        "Simulated people take the whole test, on the real item bank. Through the services each is a person of a "
        "scratch database, and each answer a transaction; the pure core asks and estimates the same without one."
    ),
    form=SimulationForm,
    question=gettext_lazy("Before you run it: where do the estimates of somebody lie whose true θ is 2?"),
    predictions=[
        ("inward", gettext_lazy("below 2 on average: nearer to the middle")),
        ("right", gettext_lazy("at 2 on average")),
        ("outward", gettext_lazy("above 2 on average")),
    ],
    verdict=verdict,
    figures=figures,
    plots=plots,
    x_label=gettext_lazy("true θ of AI fluency"),
    y_label=gettext_lazy("its estimate"),
    seconds="4",
    sources=[
        ("assessments/simulation.py", "take"),
        ("assessments/examinees.py", "Examinees"),
        ("assessments/baselines.py", "choose_at_random"),
        ("assessments/baselines.py", "choose_by_truth"),
        ("qulab/lab/experiments/simulation_services.py", "Services"),
        ("qulab/lab/experiments/simulation_result.py", "gates_of"),
    ],
    details="lab/benches/simulation.html",
    extra=extra,
)
