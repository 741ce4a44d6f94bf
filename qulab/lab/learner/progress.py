"""What a learner did never shrinks by learning more, and never grows past what a cookie holds."""

from enum import StrEnum
from typing import Self

import msgspec
from msgspec.structs import replace

from qulab.db.base import new_id

MOST_NAMES = 16  # predictions, and checkpoints; further names are left out
NAME_LENGTH = 40
SECTIONS = range(1, 6)


class Outcome(StrEnum):
    """What became of an expectation; open until its run is done."""

    OPEN = "open"
    RIGHT = "right"
    WRONG = "wrong"

    @classmethod
    def of(cls, is_right: bool) -> Self:
        return cls.RIGHT if is_right else cls.WRONG


class Learner(msgspec.Struct, frozen=True):
    """`id` names the visitor of a run; `last` is the section seen last, 0 before the first.

    `predictions` are keyed by experiment, `checkpoints` by the name of the question.
    """

    id: str = msgspec.field(default_factory=new_id)
    visited: list[int] = []
    last: int = 0
    predictions: dict[str, Outcome] = {}
    checkpoints: dict[str, Outcome] = {}

    @property
    def has_begun(self) -> bool:
        return bool(self.visited or self.predictions or self.checkpoints)

    def visit(self, section: int) -> "Learner":
        if section not in SECTIONS:
            return self
        return replace(self, visited=sorted({*self.visited, section}), last=section)

    def predict(self, experiment: str, outcome: Outcome) -> "Learner":
        return replace(self, predictions=_with(self.predictions, experiment, outcome))

    def answer(self, checkpoint: str, outcome: Outcome) -> "Learner":
        return replace(self, checkpoints=_with(self.checkpoints, checkpoint, outcome))


def _with(known: dict[str, Outcome], name: str, outcome: Outcome) -> dict[str, Outcome]:
    fits = len(name) <= NAME_LENGTH and (name in known or len(known) < MOST_NAMES)
    return {**known, name: outcome} if fits else known
