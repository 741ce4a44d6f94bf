"""A figure of a simulation has the standard error that comes of so many examinees; a gate is met by the figure."""

import math
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from assessments.estimation import Floats
from assessments.scoring import Z_95

MOST, MOST_SERVED = 20_000, 2_000  # examinees of the pure core, and of the services


class SimulationParameters(msgspec.Struct, frozen=True, kw_only=True):
    examinees: Annotated[
        int, Meta(ge=20, le=MOST, description=f"simulated people; at most {MOST_SERVED:,} through the services")
    ] = 2_000
    seed: Annotated[int, Meta(ge=0, le=999_999, description="which people; the same seed gives the same")] = 1
    fast: Annotated[bool, Meta(description="the pure core alone, without database and services")] = True

    def __post_init__(self) -> None:
        if not self.fast and self.examinees > MOST_SERVED:
            raise ValueError(f"at most {MOST_SERVED:,} examinees can go through the services")


class Estimated(msgspec.Struct, frozen=True):
    """A figure with its standard error: another seed gives a figure about so far away."""

    value: float
    se: float

    @property
    def low(self) -> float:
        """Of the interval that holds the true figure in 95 % of all simulations."""
        return self.value - Z_95 * self.se

    @property
    def high(self) -> float:
        return self.value + Z_95 * self.se


class Accuracy(msgspec.Struct, frozen=True):
    """How estimates lie about the truth. `coverage` in %: of the intervals that hold it. `sd` as the test states it."""

    bias: Estimated
    rmse: Estimated
    coverage: Estimated
    sd: float


class Length(msgspec.Struct, frozen=True):
    """So many tests had so many items."""

    items: int
    tests: int


class Component(msgspec.Struct, frozen=True):
    """The test of one component. `reached`, in %: the tests that became precise."""

    name: str
    accuracy: Accuracy
    items: float
    lengths: list[Length]
    reached: float


class Bin(msgspec.Struct, frozen=True):
    """Tests with a like θ, `at` on average, of all components together: a like truth, or a like estimate.

    `mean` is of the other of the two, of which 95 % lie in `low` to `high`.
    """

    at: float
    n: int
    mean: float
    low: float
    high: float
    accuracy: Accuracy


class Shown(msgspec.Struct, frozen=True):
    """An item, and to how many in a hundred it was shown."""

    item: str
    percent: float


class Comparison(msgspec.Struct, frozen=True):
    """Random choice until each examinee's own precision, and the test that knows the true θ, of the same length.

    `saving` in %: of items. `beyond` in %: tests that came to the precision with no item of the bank left.
    """

    adaptive_items: float
    random_items: float
    beyond: float
    saving: Estimated
    oracle_rmse: Estimated
    ratio: Estimated


class FixedBank(msgspec.Struct, frozen=True):
    """What `examinees` were given by one bank, whose difficulties lie as far off for each of them."""

    examinees: int
    theta: Accuracy
    air: Accuracy


class Served(msgspec.Struct, frozen=True):
    """The same tests through the services. Milliseconds of one answer, up to its commit; counts of examinees.

    `recalculated` otherwise than they are stored, and `estimated` otherwise than the pure core does: both must be 0.
    """

    answers: int
    p50: float
    p95: float
    recalculated: int
    estimated: int


class Gate(msgspec.Struct, frozen=True):
    """What a figure must keep to. With `below`, the bounds themselves are not allowed."""

    name: str
    value: float
    se: float
    low: float | None = None
    high: float | None = None
    below: bool = False
    met: bool = False

    @classmethod
    def of(cls, name: str, figure: Estimated, **bounds: Any) -> "Gate":
        gate = cls(name, figure.value, figure.se, **bounds)
        return msgspec.structs.replace(gate, met=gate.is_within())

    def is_within(self, slack: float = 0.0) -> bool:
        """Whether the figure keeps to its bounds, or would if they lay so much further out."""
        low = -math.inf if self.low is None else self.low - slack
        high = math.inf if self.high is None else self.high + slack
        return low < self.value < high if self.below else low <= self.value <= high


class SimulationResult(msgspec.Struct, frozen=True):
    """`theta` is of the three components together; `exposure` the most shown first.

    The gates are of difficulties that err anew for each examinee and question; `fixed_banks` has no gate.
    """

    examinees: int
    bank: str
    sha256: str
    theta: Accuracy
    air: Accuracy
    components: list[Component]
    by_truth: list[Bin]
    by_estimate: list[Bin]
    exposure: list[Shown]
    comparison: Comparison
    served: Served | None
    gates: list[Gate]
    fixed_banks: list[FixedBank] = []  # of runs that were stored before there were any: none

    @property
    def missed(self) -> list[Gate]:
        return [one for one in self.gates if not one.met]

    @property
    def by_chance(self) -> list[Gate]:
        """Those of the missed that more examinees might meet: two standard errors further on they would be."""
        return [one for one in self.missed if one.is_within(2 * one.se)]


def mean_of(values: Floats) -> Estimated:
    """Over examinees, a value each: what one examinee's three components share does not count three times."""
    return Estimated(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0)


def root_of(squares: Floats) -> Estimated:
    """The root of a mean, by the delta method."""
    of_squares = mean_of(squares)
    root = float(np.sqrt(of_squares.value))
    return Estimated(root, of_squares.se / (2 * root) if root else 0.0)


def ratio_of(above: Floats, below: Floats, *, power: float = 1.0) -> Estimated:
    """A power of the ratio of two means over the same examinees, by the delta method."""
    ratio = float((above.mean() / below.mean()) ** power)
    return Estimated(ratio, power * ratio * mean_of(above / above.mean() - below / below.mean()).se)


def gates_of(
    theta: Accuracy, air: Accuracy, exposure: Sequence[Shown], comparison: Comparison, served: Served | None, n: int
) -> list[Gate]:
    most = exposure[0].percent
    found = [
        Gate.of("theta-coverage", theta.coverage, low=94.0, high=96.0),
        Gate.of("air-coverage", air.coverage, low=94.0, high=96.0),
        Gate.of("theta-bias", theta.bias, low=-0.02, high=0.02, below=True),
        Gate.of("oracle", comparison.ratio, high=1.1),
        Gate.of("saving", comparison.saving, low=35.0),
        Gate.of("exposure", Estimated(most, float(np.sqrt(most * (100 - most) / n))), high=90.0),
    ]
    if served is not None:
        found += [
            Gate.of("step", Estimated(served.p50, 0.0), high=5.0, below=True),
            Gate.of("recalculated", Estimated(served.recalculated, 0.0), high=0.0),
            Gate.of("estimated", Estimated(served.estimated, 0.0), high=0.0),
        ]
    return found
