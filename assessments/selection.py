"""Which item comes next follows from the answers so far and the seed alone, so it can be told again from the log.

The least-filled subdomain gives the item, so that each stands in every test; among its five most informative ones
chance decides, so that no item is shown to everybody (randomesque selection: Kingsbury and Zara, 1989, Applied
Measurement in Education 2).
"""

from collections.abc import Sequence, Set
from functools import cached_property
from hashlib import blake2b

import msgspec
import numpy as np
from numpy.typing import NDArray

from assessments.estimation import HIGHEST, LOWEST, SLOPE, Floats, information, log_likelihoods

LEAST_ITEMS, MOST_ITEMS = 8, 15  # of one component
PRECISION = 0.50  # the posterior SD that is enough
MOST_INFORMATIVE = 5
STEP = 0.01  # of θ: the information is taken at the estimate rounded to it


class Draws(msgspec.Struct, frozen=True):
    """Two numbers in [0, 1): which of the least-filled subdomains, and which of the most informative items."""

    subdomain: float
    item: float


class Pick(msgspec.Struct, frozen=True):
    """An item, and the ones it was drawn from, the most informative first; all as numbers of a pool."""

    item: int
    candidates: list[int]


class Pool:
    """The items of one component, numbered from 0: difficulty, guessing and subdomain (from 0) of each."""

    def __init__(self, b: Sequence[float], c: Sequence[float], subdomain: Sequence[int]) -> None:
        self.b, self.c = np.array(b, dtype=np.float64), np.array(c, dtype=np.float64)
        self.subdomain = np.array(subdomain)
        self.members = [np.flatnonzero(self.subdomain == one) for one in range(max(subdomain) + 1)]
        theta = np.linspace(LOWEST, HIGHEST, round((HIGHEST - LOWEST) / STEP) + 1)
        # A tie of two alike items is broken by their numbers, and rounding keeps them alike on every processor.
        known = np.round(information(theta[:, None], SLOPE, self.b, self.c), 9)
        self.ranked: list[NDArray[np.intp]] = [
            members[np.argsort(-known[:, members], axis=1, kind="stable")] for members in self.members
        ]

    @cached_property
    def log_likelihoods(self) -> tuple[Floats, Floats]:
        """Of the items as they are scored: log P and log(1 − P), both items × 241."""
        return log_likelihoods(np.full(len(self.b), SLOPE), self.b, self.c)

    def next_item(self, administered: Set[int], theta: float, draws: Draws) -> Pick:
        """The next item at an estimate. Raises LookupError when all were administered."""
        filled = {
            one: sum(number in administered for number in members.tolist()) for one, members in enumerate(self.members)
        }
        open_ones = {one: count for one, count in filled.items() if count < len(self.members[one])}
        if not open_ones:
            raise LookupError("all items of the pool were administered")
        least = [one for one, count in open_ones.items() if count == min(open_ones.values())]
        subdomain = least[int(draws.subdomain * len(least))]
        ranked = self.ranked[subdomain][place(theta)].tolist()
        candidates = [number for number in ranked if number not in administered][:MOST_INFORMATIVE]
        return Pick(candidates[int(draws.item * len(candidates))], candidates)


def place(theta: float) -> int:
    """The row of an estimate in the tables of a pool."""
    return round((min(max(theta, LOWEST), HIGHEST) - LOWEST) / STEP)


def is_finished(administered: int, sd: float) -> bool:
    """Whether a component's test is over: precise enough, or long enough."""
    return administered >= MOST_ITEMS or (administered >= LEAST_ITEMS and sd <= PRECISION)


def draws(seed: str, component: str, position: int) -> Draws:
    """The chance of one step, from the seed of its sitting."""
    octets = blake2b(f"{seed}:{component}:{position}".encode(), digest_size=16).digest()
    return Draws(*(int.from_bytes(part, "big") / 2**64 * (1 - 2**-53) for part in (octets[:8], octets[8:])))
