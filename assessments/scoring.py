"""A score is a pure function of what it is given, and its metadata alone is enough to calculate it again.

Formula: `parameter_version` "2026.1". Component posteriors are combined under a multivariate normal prior
(Bayes' rule for normal likelihoods: precision Σ⁻¹ = R⁻¹ + Λ, mean Σ·Λy). Scores are on 0–100.

One person and many are scored by the same lines, and alike to the last bit on every machine: each sum is written out,
as a library's matrix algebra adds in an order that depends on the processor and on how many rows there are.
"""

from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

COMPONENTS = ("fluency", "domain", "adaptive")
WEIGHTS = (0.45, 0.35, 0.20)  # of the components in V^R
CORRELATION = 0.3  # of any two components, in the prior
PRIOR_OWN = 1 / (1 - CORRELATION)  # R⁻¹ is this on the diagonal, and PRIOR_COMMON added everywhere
PRIOR_COMMON = -CORRELATION / ((1 - CORRELATION) * (1 + 2 * CORRELATION))
ALPHA, BETA = 0.6, 0.15
ALIGNMENT = 1.0  # not measured
Z_95 = 1.96
POINTS_PER_SD = 50 / 3  # θ = ±3 spans the scale
INPUT_VERSION = "2026.1-input"  # abilities were given, not estimated from a test

Floats = NDArray[np.float64]
Number = TypeVar("Number", float, Floats)


class Ability(msgspec.Struct, frozen=True):
    """The posterior of one component: θ on the scale of N(0, 1), and its standard deviation, between 0 and 1."""

    theta: float
    sd: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.theta) and 0 < self.sd < 1):
            raise ValueError(
                f"an ability needs a finite θ and a posterior SD between 0 and 1; got {self.theta}, {self.sd}"
            )


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


def score(abilities: dict[str, Ability], hr: float, *, parameter_version: str = INPUT_VERSION) -> Score:
    """The AI-R score of three abilities and an occupation's H^R (0–100). Raises KeyError for a missing component."""
    posteriors = [abilities[name] for name in COMPONENTS]
    theta, sd = [one.theta for one in posteriors], [one.sd for one in posteriors]
    of_one = score_many(np.array([theta]), np.array([sd]), np.array([hr]))
    vr_se, clipped = of_one.vr_se.item(), of_one.clipped.item()
    return Score(
        air=of_one.air.item(),
        vr=of_one.vr.item(),
        hr=hr,
        synergy=of_one.synergy.item(),
        ci_lower=of_one.ci_lower.item(),
        ci_upper=of_one.ci_upper.item(),
        clipped=clipped,
        metadata=metadata(theta, sd, hr, vr_se=vr_se, clipped=clipped, parameter_version=parameter_version),
    )


def score_many(theta: Floats, sd: Floats, hr: Floats) -> Scores:
    """The scores of n people: `theta` and `sd` are n × 3, in the order of COMPONENTS, and `hr` has n values.

    Raises ValueError for what is no ability.
    """
    if not (np.isfinite(theta).all() and ((sd > 0) & (sd < 1)).all()):
        raise ValueError("abilities need a finite θ and a posterior SD between 0 and 1")
    vr, vr_se = readiness(theta, sd)
    synergy = vr * hr / 100 * ALIGNMENT
    raw = combine(vr, hr, synergy)
    air = np.clip(raw, 0, 100)
    half_width = Z_95 * (ALPHA + BETA * hr * ALIGNMENT / 100) * vr_se
    return Scores(
        air=air,
        vr=vr,
        vr_se=vr_se,
        hr=hr,
        synergy=synergy,
        ci_lower=np.maximum(air - half_width, 0),
        ci_upper=np.minimum(air + half_width, 100),
        clipped=air != raw,
    )


def combine(vr: Number, hr: Number, synergy: Number) -> Number:
    """AI-R before clipping: α·V + (1 − α)·H + β·Synergy, of numbers or of arrays."""
    return ALPHA * vr + (1 - ALPHA) * hr + BETA * synergy


def readiness(theta: Floats, sd: Floats) -> tuple[Floats, Floats]:
    """V^R and its standard error, both in points of 0–100, of n × 3 abilities in the order of COMPONENTS."""
    variance = sd * sd
    # A posterior N(EAP, PSD²) under N(0, 1) came from a likelihood of precision λ = 1/PSD² − 1 with λ·y = EAP/PSD².
    # R⁻¹ + Λ is a diagonal plus the same number everywhere, so Σ = D − shared·dd' (Sherman and Morrison), D = diag(d).
    d = 1 / (PRIOR_OWN + 1 / variance - 1)
    shared = PRIOR_COMMON / (1 + PRIOR_COMMON * _dot(d, np.ones(3)))
    evidence = theta / variance
    mean = d * evidence - (shared * _dot(d, evidence))[:, None] * d
    points = np.clip(50 + POINTS_PER_SD * mean, 0, 100)
    weights = np.array(WEIGHTS)
    weighted = _dot(d, weights)
    return _dot(points, weights), POINTS_PER_SD * np.sqrt(_dot(d, weights * weights) - shared * weighted * weighted)


def _dot(left: Floats, right: Floats) -> Floats:
    """Row by row, the three from first to last."""
    return left[:, 0] * right[..., 0] + left[:, 1] * right[..., 1] + left[:, 2] * right[..., 2]


def metadata(
    theta: list[float], sd: list[float], hr: float, *, vr_se: float, clipped: bool, parameter_version: str
) -> dict[str, Any]:
    """What `recalculate` needs to give the score again, and what else it came from."""
    return {
        "parameter_version": parameter_version,
        "abilities": {
            "fluency": {"theta": theta[0], "sd": sd[0]},
            "domain": {"theta": theta[1], "sd": sd[1]},
            "adaptive": {"theta": theta[2], "sd": sd[2]},
        },
        "weights": {"fluency": WEIGHTS[0], "domain": WEIGHTS[1], "adaptive": WEIGHTS[2]},
        "correlation": CORRELATION,
        "alpha": ALPHA,
        "beta": BETA,
        "hr": hr,
        "vr_se": vr_se,
        "alignment": "not_measured",
        "clipped": clipped,
    }


def recalculate(metadata: dict[str, Any]) -> Score:
    """The score that stored metadata stands for."""
    abilities = {name: Ability(**values) for name, values in metadata["abilities"].items()}
    return score(abilities, metadata["hr"], parameter_version=metadata["parameter_version"])
