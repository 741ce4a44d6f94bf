"""An estimate depends on the answers alone, and is alike on every machine: it is rounded where processors differ.

Item response model 3PL with D = 1: P(θ) = c + (1 − c)·σ(a(θ − b)). Estimate: expected a posteriori (Bock and Mislevy,
1982, Applied Psychological Measurement 6) under N(0, 1), by the trapezoid rule over a grid, in log-space.

Difficulties are declared by the authors, not calibrated: b is known with a standard deviation of DIFFICULTY_SD only.
Averaged over it the curve is nearly the same one with a flatter slope, a·κ, where κ = 1/√(1 + π(a·sd_b)²/8) (MacKay,
1992, Neural Computation 4, eq. 9 and 10, for the logistic function).
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

DISCRIMINATION = 1.2  # a, declared for all items
DIFFICULTY_SD = 0.5
LOWEST, HIGHEST, POINTS = -6.0, 6.0, 241
DIGITS = 10  # decimals of an estimate: far below its error, far above what rounding does on the way

Floats = NDArray[np.float64]


class Ability(msgspec.Struct, frozen=True):
    """The posterior of one component: θ on the scale of N(0, 1), and its standard deviation, between 0 and 1."""

    theta: float
    sd: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.theta) and 0 < self.sd < 1):
            raise ValueError(
                f"an ability needs a finite θ and a posterior SD between 0 and 1; got {self.theta}, {self.sd}"
            )


def shrinkage(discrimination: float = DISCRIMINATION, difficulty_sd: float = DIFFICULTY_SD) -> float:
    """κ: what the slope of an item loses because its difficulty is only declared."""
    return 1 / math.sqrt(1 + math.pi * (discrimination * difficulty_sd) ** 2 / 8)


SLOPE = DISCRIMINATION * shrinkage()  # what answers are scored with
GRID: Floats = np.linspace(LOWEST, HIGHEST, POINTS)
SQUARES: Floats = GRID * GRID
# Of N(0, 1), without its constant; by the trapezoid rule the two ends of the grid count half.
LOG_PRIOR: Floats = -SQUARES / 2 - np.where(abs(GRID) == HIGHEST, math.log(2), 0)


def probability(theta: Floats | float, a: Floats | float, b: Floats | float, c: Floats | float) -> Floats:
    """P of a right answer at θ."""
    return np.asarray(c + (1 - c) / (1 + np.exp(-a * (theta - b))))


def information(theta: Floats | float, a: Floats | float, b: Floats | float, c: Floats | float) -> Floats:
    """Fisher information of an item at θ: a²·((P − c)/(1 − c))²·(1 − P)/P (Lord, 1980, eq. 5-9, with D = 1)."""
    p = probability(theta, a, b, c)
    return np.asarray(np.square(a * (p - c) / (1 - c)) * (1 - p) / p)


def log_likelihoods(
    a: Floats | Sequence[float], b: Floats | Sequence[float], c: Floats | Sequence[float]
) -> tuple[Floats, Floats]:
    """log P and log(1 − P) of n items at each point of the grid, both n × 241."""
    slope, difficulty, guessing = (np.asarray(values, dtype=np.float64)[:, None] for values in (a, b, c))
    z = slope * (GRID - difficulty)
    with np.errstate(divide="ignore"):  # log 0 = −∞ is right for c = 0
        log_guessing = np.log(guessing)
    right = np.logaddexp(log_guessing, np.log1p(-guessing) - np.logaddexp(0, -z))
    return right, np.log1p(-guessing) - np.logaddexp(0, z)


@lru_cache(maxsize=1024)
def _of_item(a: float, b: float, c: float) -> tuple[Floats, Floats]:
    """Of one item. A bank has few different ones, and each step of a test asks for all that were answered."""
    right, wrong = log_likelihoods([a], [b], [c])
    return right[0], wrong[0]


def moments(log_density: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of densities over the grid: of n × 241, or of 241, values without a constant."""
    weights = np.exp(log_density - log_density.max(axis=-1, keepdims=True))
    total = weights.sum(axis=-1)
    mean = (weights * GRID).sum(axis=-1) / total
    variance = (weights * SQUARES).sum(axis=-1) / total - mean * mean
    return np.round(mean, DIGITS), np.round(np.sqrt(variance), DIGITS)


def estimate(a: Sequence[float], b: Sequence[float], c: Sequence[float], right: Sequence[bool]) -> Ability:
    """The ability that answers speak for, items and answers in the same order; of none, the prior.

    Raises ValueError where they differ in number, and where they leave more doubt than there was before them: so can a
    right answer to a hard item that can be guessed, if it stands alone. No sitting comes there: hard items come late.
    """
    answered = [_of_item(*item)[0 if is_right else 1] for *item, is_right in zip(a, b, c, right, strict=True)]
    mean, sd = moments(sum(answered, start=LOG_PRIOR))
    return Ability(mean.item(), sd.item())
