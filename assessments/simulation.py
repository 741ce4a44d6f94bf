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
    SQUARES,
    Floats,
    moments,
    probability,
)
from assessments.selection import LEAST_ITEMS, MOST_INFORMATIVE, MOST_ITEMS, PRECISION, STEP, Pool

Numbers = NDArray[np.int64]


TOGETHER = 256  # examinees whose densities, of 2 kB each, fit into a processor's cache
POWERS = np.stack([np.ones_like(GRID), GRID, SQUARES], axis=1)


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

    def of_some(self, some: slice) -> "Chance":
        return Chance(self.subdomain[some], self.item[some], self.answer[some], self.difficulty[some])


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


class Tables(msgspec.Struct, frozen=True):
    """What each step looks up of a pool: items by subdomain, place of the estimate and rank; ranks by place and item.

    `factors` are what answers multiply a density with: the probabilities of right ones by item, then of wrong ones. A
    density has at most MOST_ITEMS of them, which no float is too small for, and needs no exp at each step.
    """

    ranked: Numbers
    ranks: Numbers
    factors: Floats

    @classmethod
    def of(cls, pool: Pool, factors: Floats) -> "Tables":
        ranked = np.stack(pool.ranked)  # all subdomains have as many items
        ranks = np.empty((ranked.shape[1], len(pool.b)), dtype=np.int64)
        for members in ranked:
            np.put_along_axis(ranks, members, np.arange(ranked.shape[2])[None, :], axis=1)
        return cls(ranked, ranks, factors)


def take(pool: Pool, ability: Floats, chance: Chance, errors: Floats | None = None) -> Tests:
    """Let examinees of these abilities take the adaptive test of one component.

    `errors`, in units of DIFFICULTY_SD, stands in place of `chance.difficulty`, by item and not by step: n × the items
    of the pool. Examinees with equal rows take the test of one bank, whose difficulties are as wrong for each of them.
    """
    logs = pool.log_likelihoods
    tables = Tables.of(pool, np.exp(np.concatenate(logs)))
    parts = [
        _steps(pool, tables, ability[some], chance.of_some(some), errors if errors is None else errors[some])
        for some in _together(len(ability))
    ]
    items, right, theta_after, sd_after = (np.concatenate(part) for part in zip(*parts, strict=True))
    ended = (sd_after <= PRECISION) & (np.arange(1, MOST_ITEMS + 1) >= LEAST_ITEMS)
    ended[:, -1] = True
    length = ended.argmax(axis=1) + 1
    beyond = np.arange(MOST_ITEMS) >= length[:, None]
    items[beyond], right[beyond], theta_after[beyond], sd_after[beyond] = -1, False, 0, 1
    theta, sd = estimates(*logs, items, right)
    return Tests(theta, sd, length, items, right, theta_after, sd_after)


def _together(count: int) -> list[slice]:
    return [slice(first, first + TOGETHER) for first in range(0, max(count, 1), TOGETHER)]


def _steps(
    pool: Pool, tables: Tables, ability: Floats, chance: Chance, errors: Floats | None
) -> tuple[Numbers, NDArray[np.bool_], Floats, Floats]:
    """Items, answers and the estimates after them, of as many steps as there may be: who would have ended goes on."""
    count, subdomains = len(ability), len(tables.ranked)
    density, factor = np.tile(np.exp(LOG_PRIOR), (count, 1)), np.empty((count, len(GRID)))
    asked = np.zeros((count, subdomains, -(-MOST_ITEMS // subdomains)), dtype=np.int64)  # by subdomain, in its order
    filled = np.zeros((count, subdomains), dtype=np.int64)
    items, right = np.zeros((count, MOST_ITEMS), dtype=np.int64), np.zeros((count, MOST_ITEMS), dtype=bool)
    theta_after, sd_after = np.zeros((count, MOST_ITEMS)), np.zeros((count, MOST_ITEMS))
    theta, rows = np.zeros(count), np.arange(count)
    for step in range(MOST_ITEMS):
        chosen = _next(tables, asked, filled, theta, chance, step)
        error = chance.difficulty[:, step] if errors is None else errors[rows, chosen]
        difficulty = pool.b[chosen] + DIFFICULTY_SD * error
        is_right = chance.answer[:, step] < probability(ability, DISCRIMINATION, difficulty, pool.c[chosen])
        items[:, step], right[:, step] = chosen, is_right
        # Into one place: to give it back and get it again each time took as long as the rest.
        np.take(tables.factors, chosen + len(pool.b) * ~is_right, axis=0, out=factor, mode="clip")
        density *= factor
        total, first, second = (density @ POWERS).T
        theta = first / total
        theta_after[:, step], sd_after[:, step] = theta, np.sqrt(second / total - theta * theta)
    return items, right, theta_after, sd_after


def _next(tables: Tables, asked: Numbers, filled: Numbers, theta: Floats, chance: Chance, step: int) -> Numbers:
    """The next item of each examinee, noted in `asked` and `filled`."""
    rows, times = np.arange(len(theta)), step // filled.shape[1]  # that the least-filled subdomains were asked
    least = filled == times
    wanted = (chance.subdomain[:, step] * least.sum(axis=1)).astype(np.int64)
    subdomain = (np.cumsum(least, axis=1) > wanted[:, None]).argmax(axis=1)
    place = np.rint((theta - LOWEST) / STEP).astype(np.int64)
    rank = (chance.item[:, step] * min(tables.ranked.shape[2] - times, MOST_INFORMATIVE)).astype(np.int64)
    # The rank among those that are free: each that was asked, from the most informative, makes room for one more.
    for gone in np.sort(tables.ranks[place[:, None], asked[rows, subdomain, :times]], axis=1).T:
        rank += rank >= gone
    chosen: Numbers = tables.ranked[subdomain, place, rank]
    asked[rows, subdomain, times] = chosen
    filled[rows, subdomain] += 1
    return chosen


def estimates(log_right: Floats, log_wrong: Floats, items: Numbers, right: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """As `estimation.estimate` gives them of the same answers; an item of −1 was not asked."""
    terms = np.concatenate([log_right, log_wrong, np.zeros((1, len(GRID)))])
    answers = np.where(items < 0, -1, np.where(right, items, items + len(log_right)))
    parts = [_moments_of(terms, answers[some]) for some in _together(len(items))]
    theta, sd = (np.concatenate(part) for part in zip(*parts, strict=True))
    return theta, sd


def _moments_of(terms: Floats, answers: Numbers) -> tuple[Floats, Floats]:
    """One after the other, as `estimate` adds them: another order would differ in the last digit."""
    log_density, term = np.tile(LOG_PRIOR, (len(answers), 1)), np.empty((len(answers), len(GRID)))
    for answer in answers.T:
        log_density += np.take(terms, answer, axis=0, out=term, mode="wrap")
    return moments(log_density)
