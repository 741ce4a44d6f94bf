"""A score is a pure function of what it is given, and its metadata alone is enough to calculate it again.

Formula: `parameter_version` "2026.1". Component posteriors are combined under a multivariate normal prior
(Bayes' rule for normal likelihoods: precision Σ⁻¹ = R⁻¹ + Λ, mean Σ·Λy). Scores are on 0–100.
"""

from typing import Any

import msgspec
import numpy as np

COMPONENTS = ("fluency", "domain", "adaptive")
WEIGHTS = (0.45, 0.35, 0.20)  # of the components in V^R
CORRELATION = 0.3  # of any two components, in the prior
ALPHA, BETA = 0.6, 0.15
ALIGNMENT = 1.0  # not measured
Z_95 = 1.96
POINTS_PER_SD = 50 / 3  # θ = ±3 spans the scale
INPUT_VERSION = "2026.1-input"  # abilities were given, not estimated from a test


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


def score(abilities: dict[str, Ability], hr: float, *, parameter_version: str = INPUT_VERSION) -> Score:
    """The AI-R score of three abilities and an occupation's H^R (0–100). Raises KeyError for a missing component."""
    vr, vr_se = readiness([abilities[name] for name in COMPONENTS])
    synergy = vr * hr / 100 * ALIGNMENT
    raw = combine(vr, hr, synergy)
    air = min(max(raw, 0.0), 100.0)
    half_width = Z_95 * (ALPHA + BETA * hr * ALIGNMENT / 100) * vr_se
    return Score(
        air=air,
        vr=vr,
        hr=hr,
        synergy=synergy,
        ci_lower=max(air - half_width, 0.0),
        ci_upper=min(air + half_width, 100.0),
        clipped=air != raw,
        metadata={
            "parameter_version": parameter_version,
            "abilities": {name: {"theta": abilities[name].theta, "sd": abilities[name].sd} for name in COMPONENTS},
            "weights": dict(zip(COMPONENTS, WEIGHTS, strict=True)),
            "correlation": CORRELATION,
            "alpha": ALPHA,
            "beta": BETA,
            "hr": hr,
            "vr_se": vr_se,
            "alignment": "not_measured",
            "clipped": air != raw,
        },
    )


def combine(vr: float, hr: float, synergy: float) -> float:
    """AI-R before clipping: α·V + (1 − α)·H + β·Synergy."""
    return ALPHA * vr + (1 - ALPHA) * hr + BETA * synergy


def readiness(abilities: list[Ability]) -> tuple[float, float]:
    """V^R and its standard error, both in points of 0–100, from the abilities in the order of COMPONENTS."""
    theta = np.array([ability.theta for ability in abilities])
    variance = np.array([ability.sd for ability in abilities]) ** 2
    prior = np.full((3, 3), CORRELATION) + (1 - CORRELATION) * np.eye(3)
    # A posterior N(EAP, PSD²) under N(0, 1) came from a likelihood of precision λ = 1/PSD² − 1 with λ·y = EAP/PSD².
    covariance = np.linalg.inv(np.linalg.inv(prior) + np.diag(1 / variance - 1))
    mean = covariance @ (theta / variance)
    weights = np.array(WEIGHTS)
    points = np.clip(50 + POINTS_PER_SD * mean, 0, 100)
    return float(weights @ points), float(POINTS_PER_SD * np.sqrt(weights @ covariance @ weights))


def recalculate(metadata: dict[str, Any]) -> Score:
    """The score that stored metadata stands for."""
    abilities = {name: Ability(**values) for name, values in metadata["abilities"].items()}
    return score(abilities, metadata["hr"], parameter_version=metadata["parameter_version"])
