"""A score is a pure function of what it is given, and its metadata alone is enough to calculate it again.

Formula: `parameter_version` "2026.1". Component posteriors are combined under a multivariate normal prior
(Bayes' rule for normal likelihoods: precision Σ⁻¹ = R⁻¹ + Λ, mean Σ·Λy). Scores are on 0–100. The `Parameters` stand
in the metadata too, and a score is calculated again with those, not with what holds by then. The factor 1.96, the 50/3
points of a standard deviation and the ends 0 and 100 stand nowhere but here: they hold through `parameter_version`
alone, and who changes one of them names a new version.

One person and many are scored by the same lines, and alike to the last bit on every machine: each sum is written out,
as a library's matrix algebra adds in an order that depends on the processor and on how many rows there are.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from assessments.estimation import (
    DIFFICULTY_SD,
    DISCRIMINATION,
    HIGHEST,
    LOWEST,
    POINTS,
    Ability,
    Floats,
    estimate,
    shrinkage,
)
from assessments.occupations import HR_WEIGHTS, SOURCES, HRWeights, Occupation

COMPONENTS = ("fluency", "domain", "adaptive")
ALIGNMENT = 1.0  # not measured
Z_95 = 1.96
POINTS_PER_SD = 50 / 3  # θ = ±3 spans the scale
VERSION = "2026.1"
INPUT_VERSION = "2026.1-input"  # abilities were given, not estimated from a test

Number = TypeVar("Number", float, Floats)


class Parameters(msgspec.Struct, frozen=True):
    """The numbers of the formula."""

    weights: tuple[float, float, float] = (0.45, 0.35, 0.20)  # of the components in V^R
    correlation: float = 0.3  # of any two components, in the prior
    alpha: float = 0.6
    beta: float = 0.15

    @property
    def prior_own(self) -> float:
        """R⁻¹ is this on the diagonal, and `prior_common` added everywhere."""
        return 1 / (1 - self.correlation)

    @property
    def prior_common(self) -> float:
        return -self.correlation / ((1 - self.correlation) * (1 + 2 * self.correlation))


PARAMETERS = Parameters()


class Answers(msgspec.Struct, frozen=True):
    """The answers to one component's test: ids, difficulty b and guessing c of the items in their order."""

    assessment_id: str
    items: list[str]
    b: list[float]
    c: list[float]
    right: list[bool]

    def ability(self, *, a: float = DISCRIMINATION, difficulty_sd: float = DIFFICULTY_SD) -> Ability:
        slope = a * shrinkage(a, difficulty_sd)
        return estimate([slope] * len(self.items), self.b, self.c, self.right)


class Score(msgspec.Struct, frozen=True):
    """AI-R and its parts, 0–100; the interval holds 95 % of the measurement error, given H^R and the weights."""

    air: float
    vr: float
    hr: float
    synergy: float
    ci_lower: float
    ci_upper: float
    clipped: bool
    metadata: dict[str, Any]


class Scores(msgspec.Struct, frozen=True):
    """The scores of many people, in columns; `vr_se` is the standard error of `vr`, in points."""

    air: Floats
    vr: Floats
    vr_se: Floats
    hr: Floats
    synergy: Floats
    ci_lower: Floats
    ci_upper: Floats
    clipped: NDArray[np.bool_]


def score(
    abilities: Mapping[str, Ability],
    hr: float,
    *,
    parameter_version: str = INPUT_VERSION,
    parameters: Parameters = PARAMETERS,
    origin: Mapping[str, Any] | None = None,
) -> Score:
    """The AI-R score of three abilities and an occupation's H^R (0–100). Raises KeyError for a missing component.

    `origin` is what the abilities and H^R came from, and joins the metadata.
    """
    posteriors = [abilities[name] for name in COMPONENTS]
    theta, sd = [one.theta for one in posteriors], [one.sd for one in posteriors]
    of_one = score_many(np.array([theta]), np.array([sd]), np.array([hr]), parameters)
    vr_se, clipped = of_one.vr_se.item(), of_one.clipped.item()
    told = metadata(
        theta, sd, hr, vr_se=vr_se, clipped=clipped, parameter_version=parameter_version, parameters=parameters
    )
    return Score(
        air=of_one.air.item(),
        vr=of_one.vr.item(),
        hr=hr,
        synergy=of_one.synergy.item(),
        ci_lower=of_one.ci_lower.item(),
        ci_upper=of_one.ci_upper.item(),
        clipped=clipped,
        metadata=told | dict(origin or {}),
    )


def score_test(answers: Mapping[str, Answers], occupation: Occupation, bank: Mapping[str, str]) -> Score:
    """The score of a whole test; `bank` is version and hash of its items. Raises KeyError for a missing component."""
    abilities = {name: answers[name].ability() for name in COMPONENTS}
    origin = origin_of({name: answers[name] for name in COMPONENTS}, occupation, bank)
    return score(abilities, occupation.hr_score, parameter_version=VERSION, origin=origin)


def origin_of(answers: Mapping[str, Answers], occupation: Occupation, bank: Mapping[str, str]) -> dict[str, Any]:
    """What the metadata of a tested score has beside that of a given ability: all that its numbers came from."""
    return {
        "model": {
            "name": "3PL",
            "scaling": 1,
            "a": DISCRIMINATION,
            "difficulty_sd": DIFFICULTY_SD,
            "estimator": "EAP",
            "prior": "N(0, 1)",
            "grid": [LOWEST, HIGHEST, POINTS],
        },
        "bank": dict(bank),
        "answers": {name: msgspec.to_builtins(of_component) for name, of_component in answers.items()},
        "occupation": {
            **msgspec.to_builtins(occupation),
            "weights": msgspec.to_builtins(HR_WEIGHTS),
            "sources": SOURCES,
        },
    }


def score_many(theta: Floats, sd: Floats, hr: Floats, parameters: Parameters = PARAMETERS) -> Scores:
    """The scores of n people: `theta` and `sd` are n × 3, in the order of COMPONENTS, and `hr` has n values.

    Raises ValueError for what is no ability.
    """
    if not (np.isfinite(theta).all() and ((sd > 0) & (sd < 1)).all()):
        raise ValueError("abilities need a finite θ and a posterior SD between 0 and 1")
    vr, vr_se = readiness(theta, sd, parameters)
    synergy = synergy_of(vr, hr)
    raw = combine(vr, hr, synergy, parameters)
    air = np.clip(raw, 0, 100)
    margin = half_width(hr, vr_se, parameters)
    return Scores(
        air=air,
        vr=vr,
        vr_se=vr_se,
        hr=hr,
        synergy=synergy,
        ci_lower=np.maximum(air - margin, 0),
        ci_upper=np.minimum(air + margin, 100),
        clipped=air != raw,
    )


def combine(vr: Number, hr: Number, synergy: Number, by: Parameters = PARAMETERS) -> Number:
    """AI-R before clipping: α·V + (1 − α)·H + β·Synergy, of numbers or of arrays."""
    return by.alpha * vr + (1 - by.alpha) * hr + by.beta * synergy


def synergy_of(vr: Number, hr: Number) -> Number:
    """Synergy, 0–100: V·H/100·A."""
    return vr * hr / 100 * ALIGNMENT


def half_width(hr: Number, vr_se: Number, by: Parameters = PARAMETERS) -> Number:
    """Of the 95 % interval, in points: 1.96·(α + β·H·A/100)·SE_V."""
    return Z_95 * (by.alpha + by.beta * hr * ALIGNMENT / 100) * vr_se


def component_score(theta: Number) -> Number:
    """S_k, 0–100: where an ability lies on the scale that θ = ±3 spans."""
    points: Number = np.clip(50 + POINTS_PER_SD * theta, 0, 100)
    return points


def readiness(theta: Floats, sd: Floats, parameters: Parameters = PARAMETERS) -> tuple[Floats, Floats]:
    """V^R and its standard error, both in points of 0–100, of n × 3 abilities in the order of COMPONENTS."""
    variance, common = sd * sd, parameters.prior_common
    # A posterior N(EAP, PSD²) under N(0, 1) came from a likelihood of precision λ = 1/PSD² − 1 with λ·y = EAP/PSD².
    # R⁻¹ + Λ is a diagonal plus the same number everywhere, so Σ = D − shared·dd' (Sherman and Morrison), D = diag(d).
    d = 1 / (parameters.prior_own + 1 / variance - 1)
    shared = common / (1 + common * _dot(d, np.ones(3)))
    evidence = theta / variance
    mean = d * evidence - (shared * _dot(d, evidence))[:, None] * d
    points = component_score(mean)
    weights = np.array(parameters.weights)
    weighted = _dot(d, weights)
    return _dot(points, weights), POINTS_PER_SD * np.sqrt(_dot(d, weights * weights) - shared * weighted * weighted)


def _dot(left: Floats, right: Floats) -> Floats:
    """Row by row, the three from first to last."""
    return left[:, 0] * right[..., 0] + left[:, 1] * right[..., 1] + left[:, 2] * right[..., 2]


def metadata(
    theta: list[float],
    sd: list[float],
    hr: float,
    *,
    vr_se: float,
    clipped: bool,
    parameter_version: str,
    parameters: Parameters = PARAMETERS,
) -> dict[str, Any]:
    """What `recalculate` needs to give the score again, and what else it came from."""
    weights = parameters.weights
    return {
        "parameter_version": parameter_version,
        "abilities": {
            "fluency": {"theta": theta[0], "sd": sd[0]},
            "domain": {"theta": theta[1], "sd": sd[1]},
            "adaptive": {"theta": theta[2], "sd": sd[2]},
        },
        "weights": {"fluency": weights[0], "domain": weights[1], "adaptive": weights[2]},
        "correlation": parameters.correlation,
        "alpha": parameters.alpha,
        "beta": parameters.beta,
        "hr": hr,
        "vr_se": vr_se,
        "alignment": "not_measured",
        "clipped": clipped,
    }


class UnknownFormula(Exception):
    """A score of this parameter version, or of this model, cannot be calculated again by this release."""

    def __init__(self, what: object) -> None:
        super().__init__(f"A score by {what!r} cannot be calculated again by this release, which knows {KNOWN}.")


KNOWN = (VERSION, INPUT_VERSION)


def recalculate(metadata: dict[str, Any]) -> Score:
    """The score that stored metadata stands for, from its answers on where it has them. Raises UnknownFormula."""
    version = metadata["parameter_version"]
    if version not in KNOWN:
        raise UnknownFormula(version)
    weights = tuple(metadata["weights"][name] for name in COMPONENTS)
    numbers = {name: metadata[name] for name in ("correlation", "alpha", "beta")}
    parameters = msgspec.convert({"weights": weights, **numbers}, Parameters)
    if version == INPUT_VERSION:
        abilities = {name: Ability(**values) for name, values in metadata["abilities"].items()}
        return score(abilities, metadata["hr"], parameter_version=version, parameters=parameters)
    return _recalculate_test(metadata, parameters)


def _recalculate_test(metadata: dict[str, Any], parameters: Parameters) -> Score:
    model = metadata["model"]
    answers = {name: msgspec.convert(metadata["answers"][name], Answers) for name in COMPONENTS}
    occupation = msgspec.convert(metadata["occupation"], Occupation)
    origin = origin_of(answers, occupation, metadata["bank"])
    origin["occupation"] |= {name: metadata["occupation"][name] for name in ("weights", "sources")}
    hr = occupation.hr_by(msgspec.convert(metadata["occupation"]["weights"], HRWeights))
    declared = {name: model[name] for name in ("a", "difficulty_sd")}
    if origin["model"] | declared != model:
        raise UnknownFormula(model)
    abilities = {name: one.ability(**declared) for name, one in answers.items()}
    return score(
        abilities,
        hr,
        parameter_version=metadata["parameter_version"],
        parameters=parameters,
        origin=origin | {"model": model},
    )
