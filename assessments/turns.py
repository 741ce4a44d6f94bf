"""A seeded score is the result of a whole simulated test: its metadata alone gives the stored row, to the last digit.

Each component is taken by `simulation.take` with the person's ability and the current item bank, and the answers are
scored as a person's are. Chance is raw bits (`assessments.bits`). The exponential of numpy may differ in its last bit
between processors; but items are chosen by estimates that are rounded to .01, and final estimates are rounded to ten
decimals, so that is all but excluded from what is stored (of 120,000 estimates none differed without AVX2 and FMA).

Rows of sittings and responses are not seeded, which would be some 45 a score: the answers stand in the metadata of the
score, and `sitting_id` is NULL. In an earlier release, the same seed stood for other scores of the same people.
"""

from collections.abc import Iterator
from functools import cache, cached_property
from itertools import pairwise

import msgspec
import numpy as np

from assessments.bank import bank
from assessments.bits import Milliseconds, normal, uniform, uuid7
from assessments.estimation import Floats
from assessments.models import Status
from assessments.occupations import OCCUPATIONS
from assessments.pools import pool_of
from assessments.population import DAY, MINUTE, MOMENT, MOST_SCORES, Block, Columns
from assessments.scoring import COMPONENTS, VERSION, Answers, Scores, metadata, origin_of, score_many
from assessments.selection import MOST_ITEMS
from assessments.simulation import Chance, Numbers, Tests, estimates, take

# Like every number of the population, part of what a seed stands for.
BETWEEN_TESTS = 20 * DAY  # on average
GROWTH = 0.06  # of an ability from one test to the next, in SDs
OPEN = 0.3  # the part of the people who have begun a test and not ended it
COMPONENT_TIME = MOST_ITEMS * MINUTE  # at most: a minute an item

BEGUN, FIRST = 1, 2  # streams of random bits of one block; a test after the first takes the next one
OF_IDS, OF_ITEMS = 5 + 2 * len(COMPONENTS), 4 * MOST_ITEMS  # rows of bits: of a test, and of the items of a component
ALL = slice(None)
_encode = msgspec.json.Encoder().encode


class Turn:
    """One test of each of a block's people, theirs number `number` from 0, and the score that it gives."""

    def __init__(self, block: Block, number: int) -> None:
        self.block, self.number = block, number
        self._bits = block.draw(FIRST + number, OF_IDS)
        self.began: Milliseconds = block.joined + ((number + uniform(self._bits[0])) * BETWEEN_TESTS).astype(np.int64)
        self.ended: Milliseconds = self.began + len(COMPONENTS) * COMPONENT_TIME

    @cached_property
    def ids(self) -> list[str]:
        return uuid7(self.ended, self._bits[1], self._bits[2])

    @cached_property
    def event_ids(self) -> list[str]:
        return uuid7(self.ended, self._bits[3], self._bits[4])

    @cached_property
    def assessment_ids(self) -> list[list[str]]:
        """By component."""
        return [uuid7(self.component_began(i), *self._bits[5 + 2 * i : 7 + 2 * i]) for i in range(len(COMPONENTS))]

    def component_began(self, component: int) -> Milliseconds:
        return self.began + component * COMPONENT_TIME

    @property
    def ability(self) -> Floats:
        """θ by component, which no test knows."""
        return self.block.ability + self.number * GROWTH

    def test(self, component: int, who: slice | Numbers = ALL) -> Tests:
        """What the people, or some of them, do in the test of one component."""
        bits = self.block.draw(FIRST + self.number, OF_IDS + len(COMPONENTS) * OF_ITEMS)[OF_IDS:]
        of_items = bits.reshape(len(COMPONENTS), 4, MOST_ITEMS, self.block.size)[component][..., who]
        subdomain, item, answer, difficulty = (part.T for part in of_items)
        chance = Chance(uniform(subdomain), uniform(item), uniform(answer), normal(difficulty))
        return take(pool_of(COMPONENTS[component]).pool, self.ability[component, who], chance)

    @cached_property
    def tests(self) -> list[Tests]:
        """By component."""
        return [self.test(component) for component in range(len(COMPONENTS))]

    @cached_property
    def scored(self) -> Scores:
        theta, sd = (np.stack([getattr(of, name) for of in self.tests], axis=1) for name in ("theta", "sd"))
        return score_many(theta, sd, np.array([OCCUPATIONS[code].hr_score for code in self.block.codes]))

    def columns(self) -> Columns:
        """Rows of scores."""
        scores, moments = self.scored, self.ended.astype(MOMENT)
        return {
            "id": self.ids,
            "user_id": self.block.user_ids,
            "occupation_code": self.block.codes,
            "air_score": scores.air.tolist(),
            "vr_score": scores.vr.tolist(),
            "hr_score": scores.hr.tolist(),
            "synergy_score": scores.synergy.tolist(),
            "ci_lower": scores.ci_lower.tolist(),
            "ci_upper": scores.ci_upper.tolist(),
            "parameter_version": [VERSION] * len(moments),
            "calculation_metadata": list(self._metadata()),
            "created_at": moments,
            "updated_at": moments,
        }

    def assessments(self, component: int) -> Columns:
        """Rows of the assessments that the scores come from."""
        tests = self.tests[component]
        everybody = np.arange(self.block.size)
        return _rows(self, component, everybody, tests.theta, tests.sd, tests.length, np.zeros_like(everybody))

    def _metadata(self) -> Iterator[msgspec.Raw]:
        """Encoded one by one: as dicts, all of them together would keep the garbage collector busy."""
        theta, sd = (zip(*(getattr(of, name).tolist() for of in self.tests), strict=True) for name in ("theta", "sd"))
        scores = self.scored
        numbers = zip(scores.hr.tolist(), scores.vr_se.tolist(), scores.clipped.tolist(), strict=True)
        answers = zip(*map(_answers, COMPONENTS, self.tests, self.assessment_ids), strict=True)
        rows = zip(self.block.codes, theta, sd, numbers, answers, strict=True)
        for code, of_theta, of_sd, (hr, vr_se, clipped), of_components in rows:
            told = metadata(list(of_theta), list(of_sd), hr, vr_se=vr_se, clipped=clipped, parameter_version=VERSION)
            told |= _origin(code) | {"answers": dict(zip(COMPONENTS, of_components, strict=True))}
            yield msgspec.Raw(_encode(told))


@cache
def _origin(code: str) -> dict[str, msgspec.Raw]:
    """What `origin_of` says of all scores in this occupation, encoded, but for the answers."""
    current = bank()
    told = origin_of({}, OCCUPATIONS[code], {"version": current.version, "sha256": current.sha256})
    return {name: msgspec.Raw(_encode(value)) for name, value in told.items()}


def _answers(component: str, tests: Tests, assessment_ids: list[str]) -> Iterator[Answers]:
    """Of each examinee, made when asked for."""
    pool, asked = pool_of(component), tests.items >= 0
    numbers, right = tests.items[asked], tests.right[asked].tolist()
    items = np.array(pool.ids, dtype=object)[numbers].tolist()
    b, c = pool.pool.b[numbers].tolist(), pool.pool.c[numbers].tolist()
    ends = pairwise([0, *np.cumsum(tests.length).tolist()])
    for id_, some in zip(assessment_ids, (slice(*both) for both in ends), strict=True):
        yield Answers(id_, items[some], b[some], c[some], right[some])


class Begun:
    """The tests that some people of a block have begun and not ended. They came after all that were scored."""

    def __init__(self, block: Block) -> None:
        drawn = uniform(block.draw(BEGUN, 3))
        self._turn = Turn(block, MOST_SCORES)
        self._began, self._part = drawn[0] < OPEN, drawn[1]
        self._component = (drawn[2] * len(COMPONENTS)).astype(np.int64)  # which they are at

    def who(self, component: int) -> Numbers:
        """The numbers of those in the block who have come to this component."""
        return np.flatnonzero(self._began & (self._component >= component))

    def ids(self, component: int) -> list[str]:
        ids = self._turn.assessment_ids[component]
        return [ids[number] for number in self.who(component).tolist()]

    def assessments(self, component: int) -> Columns:
        """Rows of what they did: of one that is in progress, the first answers, and the estimate after them."""
        who, name = self.who(component), COMPONENTS[component]
        tests, is_open = self._turn.test(component, who), self._component[who] == component
        some = 1 + (self._part[who] * (tests.length - 1)).astype(np.int64)
        answered = np.where(is_open, some, tests.length)
        items = np.where(np.arange(MOST_ITEMS) < answered[:, None], tests.items, -1)
        pool = pool_of(name).pool
        theta, sd = estimates(*pool.log_likelihoods, items, tests.right)
        return _rows(self._turn, component, who, theta, sd, answered, is_open)


def _rows(
    turn: Turn, component: int, who: Numbers, theta: Floats, sd: Floats, answered: Numbers, is_open: Numbers
) -> Columns:
    """Rows of assessments of one component, of those of a block's people whose numbers are `who`."""
    ids, user_ids, began = turn.assessment_ids[component], turn.block.user_ids, turn.component_began(component)[who]
    statuses = (Status.COMPLETED.value, Status.IN_PROGRESS.value)
    return {
        "id": [ids[number] for number in who.tolist()],
        "user_id": [user_ids[number] for number in who.tolist()],
        "status": [statuses[number] for number in is_open.tolist()],
        "component": [COMPONENTS[component]] * len(who),
        "current_ability": theta.tolist(),
        "posterior_sd": sd.tolist(),
        "items_administered": answered.tolist(),
        "created_at": began.astype(MOMENT),
        "updated_at": (began + answered * MINUTE).astype(MOMENT),
    }
