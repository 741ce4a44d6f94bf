"""What is said of a test is worked out from what its examinees were shown and given, and from the truth about them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from assessments.baselines import Random, choose_at_random, choose_by_truth
from assessments.estimation import Floats
from assessments.examinees import Examinees
from assessments.pools import ItemPool, pool_of
from assessments.scoring import COMPONENTS, Z_95, score_many
from assessments.selection import LEAST_ITEMS, MOST_ITEMS, PRECISION
from assessments.simulation import Numbers, Tests, take
from qulab.lab.experiments.simulation_result import (
    Accuracy,
    Bin,
    Comparison,
    Component,
    Estimated,
    Length,
    Shown,
    mean_of,
    ratio_of,
    root_of,
)

EDGES = (-np.inf, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, np.inf)
LEAST_IN_A_BIN = 10
BASELINE = 1  # the stream of chance of random choice and of the oracle


def pools() -> list[ItemPool]:
    """By component. Not at import: `manage.py check` imports this, and is to say what is wrong with a bank."""
    return [pool_of(name) for name in COMPONENTS]


class Readings(msgspec.Struct, frozen=True):
    """Of n examinees, n × 3 by component where it is not the score's: the truth, and what their tests came to."""

    ability: Floats
    theta: Floats
    sd: Floats
    length: Numbers
    shown: Numbers  # by component and number of the item in its pool: how many saw it
    air: Floats  # true
    air_score: Floats
    ci_lower: Floats
    ci_upper: Floats

    @classmethod
    def of(cls, people: Examinees, tests: Sequence[Tests]) -> Self:
        theta, sd = (np.stack([getattr(one, name) for one in tests], axis=1) for name in ("theta", "sd"))
        scores = score_many(theta, sd, people.hr)
        return cls(
            ability=people.ability,
            theta=theta,
            sd=sd,
            length=np.stack([one.length for one in tests], axis=1),
            shown=np.stack([shown_of(one.items, len(pool.ids)) for one, pool in zip(tests, pools(), strict=True)]),
            air=people.air,
            air_score=scores.air,
            ci_lower=scores.ci_lower,
            ci_upper=scores.ci_upper,
        )


class Baselines(msgspec.Struct, frozen=True):
    """Of the same examinees, n × 3: how many items random choice took, and the oracle's estimates."""

    length: Numbers
    reached: NDArray[np.bool_]
    oracle: Floats


def sit_all(people: Examinees) -> list[Tests]:
    """Everybody's tests in the pure core, by component."""
    return [take(pool.pool, people.ability[:, k], people.chance[k]) for k, pool in enumerate(pools())]


def compare(people: Examinees, readings: Readings, seed: int, block: int) -> Baselines:
    random = np.random.default_rng([seed, block, BASELINE])
    at_random: list[Random] = []
    oracle: list[Floats] = []
    for k, pool in enumerate(pools()):
        ability = people.ability[:, k]
        at_random.append(choose_at_random(pool.pool, ability, readings.sd[:, k], random))
        oracle.append(choose_by_truth(pool.pool, ability, readings.length[:, k], random))
    return Baselines(
        np.stack([one.length for one in at_random], axis=1),
        np.stack([one.reached for one in at_random], axis=1),
        np.stack(oracle, axis=1),
    )


def shown_of(items: Numbers, size: int) -> Numbers:
    return np.bincount(items[items >= 0], minlength=size)


def joined(parts: Sequence[Readings]) -> Readings:
    values = {name: np.concatenate([getattr(one, name) for one in parts]) for name in Readings.__struct_fields__}
    return Readings(**values | {"shown": np.sum([one.shown for one in parts], axis=0)})


def accuracy(theta: Floats, truth: Floats, sd: Floats, holds: NDArray[np.bool_]) -> Accuracy:
    """Each n, or n × 3: then the three of one examinee are one reading, as they are alike."""
    error = theta - truth
    each = [np.atleast_2d(one.T).mean(axis=0) for one in (error, error * error, 100.0 * holds)]
    return Accuracy(mean_of(each[0]), root_of(each[1]), mean_of(each[2]), float(sd.mean()))


def of_theta(readings: Readings) -> Accuracy:
    return accuracy(readings.theta, readings.ability, readings.sd, _holds(readings))


def of_air(readings: Readings) -> Accuracy:
    """The SD is that of the interval, which the ends of the scale may cut."""
    low, high = readings.ci_lower, readings.ci_upper
    holds = (low <= readings.air) & (readings.air <= high)
    return accuracy(readings.air_score, readings.air, (high - low) / (2 * Z_95), holds)


def _holds(readings: Readings) -> NDArray[np.bool_]:
    return np.asarray(np.abs(readings.theta - readings.ability) <= Z_95 * readings.sd)


def components(readings: Readings) -> Iterator[Component]:
    holds = _holds(readings)
    for k, name in enumerate(COMPONENTS):
        length = Counter(readings.length[:, k].tolist())
        yield Component(
            name=name,
            accuracy=accuracy(readings.theta[:, k], readings.ability[:, k], readings.sd[:, k], holds[:, k]),
            items=float(readings.length[:, k].mean()),
            lengths=[Length(items, length[items]) for items in range(LEAST_ITEMS, MOST_ITEMS + 1)],
            reached=float(100 * (readings.sd[:, k] <= PRECISION).mean()),
        )


def bins(readings: Readings, by: Floats, other: Floats) -> Iterator[Bin]:
    """`by` is the true θ or the estimate, and `other` the other one."""
    for low, high in pairwise(EDGES):
        inside = (low <= by) & (by < high)
        if (n := int(inside.sum())) < LEAST_IN_A_BIN:
            continue
        mean, ends = float(other[inside].mean()), np.quantile(other[inside], [0.025, 0.975]).tolist()
        theta, truth, sd = (one[inside] for one in (readings.theta, readings.ability, readings.sd))
        yield Bin(
            float(by[inside].mean()), n, mean, ends[0], ends[1], accuracy(theta, truth, sd, _holds(readings)[inside])
        )


def exposure(readings: Readings) -> list[Shown]:
    """The most shown first."""
    percent = 100 * readings.shown / len(readings.air)
    found = [
        Shown(item, float(of_item))
        for pool, of_pool in zip(pools(), percent, strict=True)
        for item, of_item in zip(pool.ids, of_pool, strict=True)
    ]
    return sorted(found, key=lambda one: (-one.percent, one.item))


def comparison(readings: Readings, baselines: Sequence[Baselines]) -> Comparison:
    at_random = np.concatenate([one.length for one in baselines])
    reached = np.concatenate([one.reached for one in baselines])
    oracle = np.concatenate([one.oracle for one in baselines])
    adaptive, by_chance = readings.length.mean(axis=1), at_random.mean(axis=1)
    ours, theirs = (np.square(one - readings.ability).mean(axis=1) for one in (readings.theta, oracle))
    kept = ratio_of(adaptive, by_chance)
    return Comparison(
        adaptive_items=float(adaptive.mean()),
        random_items=float(by_chance.mean()),
        beyond=float(100 * (~reached).mean()),
        saving=Estimated(100 * (1 - kept.value), 100 * kept.se),
        oracle_rmse=root_of(theirs),
        ratio=ratio_of(ours, theirs, power=0.5),
    )
