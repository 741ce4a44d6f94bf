"""Simulated examinees are known for what a test can only estimate, and the same seed stands for the same ones.

Abilities come from the prior of the score: N(0, 1) in each component, correlated as `Parameters` says. What an item
asks of an examinee lies about its declared difficulty, as `Chance` says. Everybody has a seed for their sitting, from
which their questions follow as a person's do: in columns, or one by one through the services.
"""

from collections.abc import Iterator
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from assessments.bank import Answer, AnyItem, Choice, Multiple, Numeric
from assessments.estimation import DIFFICULTY_SD, DISCRIMINATION, Floats, probability
from assessments.occupations import OCCUPATIONS
from assessments.scoring import COMPONENTS, PARAMETERS, combine, component_score, synergy_of
from assessments.selection import MOST_ITEMS, draws
from assessments.simulation import Chance

BLOCK = 500  # examinees who are made together; like the order of the draws, part of what a seed stands for
CODES = tuple(OCCUPATIONS)
HR = np.array([occupation.hr_score for occupation in OCCUPATIONS.values()])


class Examinees(msgspec.Struct, frozen=True, dict=True):
    """Some who take the test. `ability` is their true θ, n × 3, `chance` by component, both in the order of COMPONENTS.

    `occupation` numbers CODES; `seeds` are those of their sittings.
    """

    ability: Floats
    occupation: NDArray[np.int64]
    seeds: list[str]
    chance: list[Chance]

    def __len__(self) -> int:
        return len(self.seeds)

    @cached_property
    def hr(self) -> Floats:
        return HR[self.occupation]

    @cached_property
    def air(self) -> Floats:
        """What each would score if their abilities were known: the formula, of the true θ."""
        vr = component_score(self.ability) @ np.array(PARAMETERS.weights)
        return np.asarray(np.clip(combine(vr, self.hr, synergy_of(vr, self.hr)), 0, 100))

    def code(self, examinee: int) -> str:
        return CODES[int(self.occupation[examinee])]

    def is_right(self, examinee: int, component: int, position: int, *, b: float, c: float) -> bool:
        """Whether this examinee answers right, at a position from 1, an item of this difficulty and guessing."""
        chance = self.chance[component]
        difficulty = b + DIFFICULTY_SD * chance.difficulty[examinee, position - 1]
        p = probability(self.ability[examinee, component], DISCRIMINATION, difficulty, c)
        return bool(chance.answer[examinee, position - 1] < p)


def examinees(seed: int, count: int) -> Iterator[Examinees]:
    """So many examinees, in blocks. A larger number begins with the smaller one."""
    for number, first in enumerate(range(0, count, BLOCK)):
        yield _block(seed, number, min(BLOCK, count - first))


def _block(seed: int, number: int, size: int) -> Examinees:
    random = np.random.default_rng([seed, number])
    common, own = random.standard_normal((BLOCK, 1)), random.standard_normal((BLOCK, len(COMPONENTS)))
    shared = PARAMETERS.correlation
    ability = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
    occupation = random.integers(len(CODES), size=BLOCK)
    seeds = [f"{seed}-{number * BLOCK + i}" for i in range(size)]
    chance = [_chance(random, component, seeds) for component in COMPONENTS]
    return Examinees(ability[:size], occupation[:size], seeds, chance)


def _chance(random: np.random.Generator, component: str, seeds: list[str]) -> Chance:
    """What is shown follows from the seeds of the sittings, what is answered from the generator."""
    drawn = [[draws(seed, component, position + 1) for position in range(MOST_ITEMS)] for seed in seeds]
    subdomain = np.array([[one.subdomain for one in of_one] for of_one in drawn])
    item = np.array([[one.item for one in of_one] for of_one in drawn])
    answer, difficulty = random.random((BLOCK, MOST_ITEMS)), random.standard_normal((BLOCK, MOST_ITEMS))
    return Chance(subdomain, item, answer[: len(seeds)], difficulty[: len(seeds)])


def reply(item: AnyItem, *, is_right: bool) -> Answer:
    """The key, or an answer that is none: the same one always."""
    if isinstance(item, Numeric):
        return item.key if is_right else item.key + item.tolerance + 1
    if is_right:
        return item.key
    if isinstance(item, Choice):
        return next(letter for letter in item.options if letter != item.key)
    return item.key[:-1] if isinstance(item, Multiple) else item.key[::-1]
