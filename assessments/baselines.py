"""What an adaptive test is measured against takes the same items, and is scored by the same estimate.

Random choice needs no estimate to choose by; the oracle chooses by the true ability, which no real test knows. Neither
is ever given to a person.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from assessments.estimation import (
    DIFFICULTY_SD,
    DISCRIMINATION,
    LOG_PRIOR,
    SLOPE,
    Floats,
    information,
    probability,
)
from assessments.selection import Pool
from assessments.simulation import POWERS, Numbers, estimates


class Random(msgspec.Struct, frozen=True):
    """How many items each examinee needed, and whether they came to the precision before the bank was used up."""

    length: Numbers
    reached: NDArray[np.bool_]


def choose_at_random(pool: Pool, ability: Floats, until: Floats, random: np.random.Generator) -> Random:
    """Ask each examinee items in an order of chance until the posterior SD is as small as `until` says for them."""
    order = random.permuted(np.tile(np.arange(len(pool.b)), (len(ability), 1)), axis=1)
    right = _answers(pool, ability, order, random)
    likely, unlikely = map(np.exp, pool.log_likelihoods)
    density = np.tile(np.exp(LOG_PRIOR), (len(ability), 1))
    length, reached = np.zeros(len(ability), dtype=np.int64), np.zeros(len(ability), dtype=bool)
    sitting = np.arange(len(ability))
    for step in range(order.shape[1]):
        item = order[sitting, step]
        density[sitting] *= np.where(right[sitting, step, None], likely[item], unlikely[item])
        total, first, second = (density[sitting] @ POWERS).T
        mean = first / total
        length[sitting] = step + 1
        reached[sitting] = np.sqrt(second / total - mean * mean) <= until[sitting]
        sitting = sitting[~reached[sitting]]
        if not len(sitting):
            break
    return Random(length, reached)


def choose_by_truth(pool: Pool, ability: Floats, length: Numbers, random: np.random.Generator) -> Floats:
    """The estimates of a fixed test: of each examinee the items that tell most at the true ability, so many of them."""
    known = information(ability[:, None], SLOPE, pool.b, pool.c)
    order = np.argsort(-known, axis=1, kind="stable")[:, : length.max()]
    items = np.where(np.arange(order.shape[1]) < length[:, None], order, -1)
    right = _answers(pool, ability, order, random)
    return estimates(*pool.log_likelihoods, items, right)[0]


def _answers(pool: Pool, ability: Floats, items: Numbers, random: np.random.Generator) -> NDArray[np.bool_]:
    """As `Chance` has them: an item's difficulty for an examinee lies about the declared one."""
    difficulty = pool.b[items] + DIFFICULTY_SD * random.standard_normal(items.shape)
    p = probability(ability[:, None], DISCRIMINATION, difficulty, pool.c[items])
    return np.asarray(random.random(items.shape) < p)
