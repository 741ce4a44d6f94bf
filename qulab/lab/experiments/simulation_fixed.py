"""A real bank has one error an item, the same for everybody: over its examinees a bias does not average out.

All take their tests once more, in the pure core: each on one of some banks, whose errors of difficulty were drawn once.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from assessments.estimation import Floats
from assessments.examinees import BLOCK, Examinees
from assessments.simulation import take
from qulab.lab.experiments.simulation_measures import Readings, of_air, of_theta, pools
from qulab.lab.experiments.simulation_result import Estimated, FixedBank

BANKS = 10
FIXED = 2  # the stream of chance of their errors
assert BLOCK % BANKS == 0  # so that examinees take turns from block to block


class OverBanks(msgspec.Struct, frozen=True):
    """A figure of the bank where it is lowest and of that where it is highest; `se` is that of one bank, on average."""

    name: str
    low: float
    high: float
    se: float

    @classmethod
    def of(cls, name: str, figures: Sequence[Estimated]) -> "OverBanks":
        values = [one.value for one in figures]
        return cls(name, min(values), max(values), sum(one.se for one in figures) / len(figures))


def errors_of(seed: int, component: int, items: int) -> Floats:
    """By bank and item, in units of DIFFICULTY_SD."""
    return np.random.default_rng([seed, component, FIXED]).standard_normal((BANKS, items))


def sit_on_fixed_banks(people: Examinees, seed: int) -> Readings:
    banks = np.arange(len(people)) % BANKS
    tests = [
        take(pool.pool, people.ability[:, k], people.chance[k], errors_of(seed, k, len(pool.ids))[banks])
        for k, pool in enumerate(pools())
    ]
    return Readings.of(people, tests)


def fixed_banks(readings: Readings) -> list[FixedBank]:
    """Bank by bank; `readings` are of whole blocks, of which only the last may be smaller."""
    return [_bank(_of_bank(readings, number)) for number in range(BANKS)]


def _of_bank(readings: Readings, number: int) -> Readings:
    values = {name: getattr(readings, name)[number::BANKS] for name in Readings.__struct_fields__ if name != "shown"}
    return Readings(**values, shown=readings.shown)


def _bank(readings: Readings) -> FixedBank:
    return FixedBank(len(readings.air), of_theta(readings), of_air(readings))


def over_banks(banks: Sequence[FixedBank]) -> list[OverBanks]:
    """None of no banks."""
    if not banks:
        return []
    return [
        OverBanks.of("theta-bias", [one.theta.bias for one in banks]),
        OverBanks.of("air-bias", [one.air.bias for one in banks]),
        OverBanks.of("theta-coverage", [one.theta.coverage for one in banks]),
        OverBanks.of("air-coverage", [one.air.coverage for one in banks]),
    ]
