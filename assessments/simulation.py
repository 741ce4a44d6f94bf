"""Simulated examinees take the test that people take: the same items, estimates, selection and end.

Many sit at once, in columns. Where the chance is the same, what one of them is asked and scored is what
`ItemPool.next_item` and `Answers` give, to the last digit (a test): a simulated score is a real result.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from assessments.estimation import (
    DIFFICULTY_SD,
    DISCRIMINATION,
    GRID,
    LOG_PRIOR,
    LOWEST,
    SLOPE,
    SQUARES,
    Floats,
    log_likelihoods,
    moments,
    probability,
)
from assessments.selection import LEAST_ITEMS, MOST_INFORMATIVE, MOST_ITEMS, PRECISION, STEP, Pool

Numbers = NDArray[np.int64]


class Chance(msgspec.Struct, frozen=True):
    """What chance decides of n examinees, each a number in [0, 1), n × MOST_ITEMS: see `selection.Draws`.

    `answer` is below P where an answer is right, and `difficulty`, of N(0, 1), is how far an item's difficulty for this
    examinee lies from the declared one, in units of DIFFICULTY_SD.
    """

    subdomain: Floats
    item: Floats
    answer: Floats
    difficulty: Floats

    @classmethod
    def of(cls, random: np.random.Generator, examinees: int) -> "Chance":
        shape = (examinees, MOST_ITEMS)
        return cls(random.random(shape), random.random(shape), random.random(shape), random.standard_normal(shape))


class Tests(msgspec.Struct, frozen=True):
    """The tests of n examinees in one component: their estimates, and what was asked and answered, in its order.

    `items` are numbers of the pool, −1 beyond an examinee's length; `theta_after` and `sd_after` follow each answer.
    """

    __test__ = False

    theta: Floats
    sd: Floats
    length: Numbers
    items: Numbers
    right: NDArray[np.bool_]
    theta_after: Floats
    sd_after: Floats


def take(pool: Pool, ability: Floats, chance: Chance) -> Tests:
    """Let examinees of these abilities take the adaptive test of one component."""
    log_right, log_wrong = log_likelihoods(np.full(len(pool.b), SLOPE), pool.b, pool.c)
    # Of probabilities: at most MOST_ITEMS factors, which no float is too small for, and no exp at each step.
    likely, unlikely = np.exp(log_right), np.exp(log_wrong)
    ranked = np.stack(pool.ranked)  # subdomain × place × members, all of one size
    subdomains, count = ranked.shape[0], len(ability)
    density = np.tile(np.exp(LOG_PRIOR), (count, 1))
    powers = np.stack([np.ones_like(GRID), GRID, SQUARES], axis=1)
    used = np.zeros((count, len(pool.b)), dtype=bool)
    filled = np.zeros((count, subdomains), dtype=np.int64)
    items = np.full((count, MOST_ITEMS), -1, dtype=np.int64)
    right = np.zeros((count, MOST_ITEMS), dtype=bool)
    theta_after, sd_after = np.zeros((count, MOST_ITEMS)), np.ones((count, MOST_ITEMS))
    theta, length, sitting = np.zeros(count), np.zeros(count, dtype=np.int64), np.arange(count)
    for step in range(MOST_ITEMS):
        chosen = _next(ranked, used[sitting], filled[sitting], theta[sitting], chance, sitting, step)
        difficulty = pool.b[chosen] + DIFFICULTY_SD * chance.difficulty[sitting, step]
        p = probability(ability[sitting], DISCRIMINATION, difficulty, pool.c[chosen])
        is_right = chance.answer[sitting, step] < p
        density[sitting] *= np.where(is_right[:, None], likely[chosen], unlikely[chosen])
        used[sitting, chosen] = True
        filled[sitting, pool.subdomain[chosen]] += 1
        items[sitting, step], right[sitting, step] = chosen, is_right
        total, first, second = (density[sitting] @ powers).T
        mean = first / total
        sd = np.sqrt(second / total - mean * mean)
        theta[sitting] = mean
        theta_after[sitting, step], sd_after[sitting, step] = mean, sd
        length[sitting] = step + 1
        sitting = sitting[(step + 1 < LEAST_ITEMS) | (sd > PRECISION)]
        if not len(sitting):
            break
    final_theta, final_sd = _estimates(log_right, log_wrong, items, right)
    return Tests(final_theta, final_sd, length, items, right, theta_after, sd_after)


def _next(
    ranked: Numbers,
    used: NDArray[np.bool_],
    filled: Numbers,
    theta: Floats,
    chance: Chance,
    sitting: Numbers,
    step: int,
) -> Numbers:
    """The next item of each examinee who is still sitting."""
    rows = np.arange(len(sitting))
    least = filled == filled.min(axis=1, keepdims=True)
    wanted = (chance.subdomain[sitting, step] * least.sum(axis=1)).astype(np.int64)
    subdomain = (np.cumsum(least, axis=1) > wanted[:, None]).argmax(axis=1)
    order = ranked[subdomain, np.rint((theta - LOWEST) / STEP).astype(np.int64)]
    free = ~used[rows[:, None], order]
    candidates = np.minimum(free.sum(axis=1), MOST_INFORMATIVE)
    drawn = (chance.item[sitting, step] * candidates).astype(np.int64)
    return np.asarray(order[rows, (np.cumsum(free, axis=1) > drawn[:, None]).argmax(axis=1)])


def _estimates(log_right: Floats, log_wrong: Floats, items: Numbers, right: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """As `estimation.estimate` gives them of the same answers."""
    log_density = np.tile(LOG_PRIOR, (len(items), 1))
    for step in range(items.shape[1]):
        asked = np.flatnonzero(items[:, step] >= 0)
        item, is_right = items[asked, step], right[asked, step, None]
        log_density[asked] += np.where(is_right, log_right[item], log_wrong[item])
    return moments(log_density)
