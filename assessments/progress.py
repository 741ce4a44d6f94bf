"""A sitting as it stands is a value: what comes next is decided on it, and it knows no session."""

from collections.abc import Sequence
from typing import Any, Self

import msgspec
from sqlalchemy import Row

from assessments.bank import Answer, AnyItem, Bank, bank
from assessments.estimation import Ability
from assessments.models import Sitting, Status
from assessments.occupations import OCCUPATIONS
from assessments.pools import pool_of
from assessments.scoring import COMPONENTS, Answers
from assessments.selection import draws, is_finished
from qulab.db.errors import DataLayerError


class SittingError(DataLayerError):
    """The test cannot go on like this, and nothing was recorded."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Outdated(SittingError):
    """This release no longer has the questions that this test began with. End it, and begin another one."""


class Asked(msgspec.Struct, frozen=True):
    """A question that was shown. `is_right` is None as long as it has no answer."""

    question: str  # id of its response
    item_id: str
    answer: Answer | None = None
    is_right: bool | None = None


class Part(msgspec.Struct, frozen=True):
    """One component of a sitting."""

    assessment_id: str
    component: str
    asked: list[Asked]

    def answers(self, released: Bank) -> Answers:
        """Those that were given, of items of this bank."""
        given = [one for one in self.asked if one.is_right is not None]
        items = [released.items[one.item_id] for one in given]
        return Answers(
            assessment_id=self.assessment_id,
            items=[item.id for item in items],
            b=[float(item.level) for item in items],
            c=[item.GUESSING for item in items],
            right=[bool(one.is_right) for one in given],
        )


class Next(msgspec.Struct, frozen=True):
    """A question to be shown."""

    position: int  # from 1
    item_id: str
    candidates: list[str]


class Progress(msgspec.Struct, frozen=True):
    """A sitting, its parts in their order."""

    sitting_id: str
    user_id: str
    status: Status
    occupation_code: str
    bank_version: str
    bank_sha256: str
    seed: str
    parts: list[Part]

    @classmethod
    def of(cls, user_id: str, rows: Sequence[Row[Any]]) -> Self:
        """From what `SittingRepository.questions` found, which must not be empty."""
        parts: dict[str, Part] = {}
        for row in rows:
            part = parts.setdefault(row.component, Part(row.assessment_id, row.component, []))
            part.asked.append(Asked(row.question, row.item_id, row.answer, row.is_right))
        first = rows[0]
        return cls(
            sitting_id=first.sitting_id,
            user_id=user_id,
            status=Status(first.status),
            occupation_code=first.occupation_code,
            bank_version=first.bank_version,
            bank_sha256=first.bank_sha256,
            seed=first.seed,
            parts=sorted(parts.values(), key=lambda part: COMPONENTS.index(part.component)),
        )

    @classmethod
    def begun(cls, sitting: Sitting) -> Self:
        """Before its first question."""
        return cls(
            sitting_id=sitting.id,
            user_id=sitting.user_id,
            status=Status(sitting.status),
            occupation_code=sitting.occupation_code,
            bank_version=sitting.bank_version,
            bank_sha256=sitting.bank_sha256,
            seed=sitting.seed,
            parts=[],
        )

    @property
    def bank(self) -> Bank:
        return bank(self.bank_version)

    @property
    def is_outdated(self) -> bool:
        """Whether this release no longer has what it began with: its questions as they were, its occupation."""
        try:
            released = self.bank
        except KeyError:
            return True
        return released.sha256 != self.bank_sha256 or self.occupation_code not in OCCUPATIONS

    @property
    def pending(self) -> Asked | None:
        """The question that waits for an answer."""
        return next((one for part in self.parts for one in part.asked if one.is_right is None), None)

    @property
    def answered(self) -> int:
        return sum(one.is_right is not None for part in self.parts for one in part.asked)

    def find(self, question: str) -> Asked | None:
        return next((one for part in self.parts for one in part.asked if one.question == question), None)

    def part_of(self, question: str) -> Part:
        """The part in which a question was asked. Raises LookupError."""
        for part in self.parts:
            if any(one.question == question for one in part.asked):
                return part
        raise LookupError(f"the question {question} was not asked")

    def item(self, asked: Asked) -> AnyItem:
        """Raises Outdated."""
        if self.is_outdated:
            raise Outdated
        return self.bank.items[asked.item_id]

    def with_answer(self, question: str, answer: Answer) -> "Progress":
        """This sitting after an answer to a question that was asked."""

        def answered(one: Asked) -> Asked:
            if one.question != question:
                return one
            return msgspec.structs.replace(one, answer=answer, is_right=self.item(one).is_right(answer))

        parts = [msgspec.structs.replace(part, asked=list(map(answered, part.asked))) for part in self.parts]
        return msgspec.structs.replace(self, parts=parts)

    def answers(self) -> dict[str, Answers]:
        """By component."""
        return {part.component: part.answers(self.bank) for part in self.parts}


def next_question(component: str, answers: Answers, ability: Ability, *, seed: str, version: str) -> Next | None:
    """What to ask next in a component, None where its test is over."""
    pool, count = pool_of(component, version), len(answers.items)
    if is_finished(count, ability.sd):
        return None
    item_id, candidates = pool.next_item(answers.items, ability.theta, draws(seed, component, count + 1))
    return Next(count + 1, item_id, candidates)


def first_question(component: str, *, seed: str, version: str) -> Next:
    nothing = Answers("", [], [], [], [])
    first = next_question(component, nothing, nothing.ability(), seed=seed, version=version)
    assert first, "a test begins with a question"
    return first


def component_after(component: str) -> str | None:
    """The next part of the test, None after the last."""
    following = COMPONENTS[COMPONENTS.index(component) + 1 :]
    return following[0] if following else None
