"""What a template gets of a question: neither its key nor its level, its rationale or its id in the bank."""

from enum import StrEnum

import msgspec

from assessments.bank import AnyItem, Bank, Choice, Multiple, Numeric, Ordering, bank
from assessments.scoring import COMPONENTS
from assessments.selection import LEAST_ITEMS, MOST_ITEMS
from assessments.selectors import SittingNow

KINDS = {Choice: "choice", Multiple: "multiple", Ordering: "ordering", Numeric: "numeric"}


class Mark(StrEnum):
    """Of one question in the picture of a part: a part has LEAST_ITEMS at least, and more where they are needed."""

    DONE = "done"
    NOW = "now"
    SURE = "sure"
    MAYBE = "maybe"


class PartShown(msgspec.Struct, frozen=True):
    title: str
    state: str  # done, now, to come
    marks: list[Mark]  # of its questions, while it is the one in progress


class Question(msgspec.Struct, frozen=True):
    sitting_id: str
    id: str
    kind: str
    component: str  # its title
    about: str
    stem: str
    exhibit: str
    unit: str
    position: int
    step: int
    parts: list[PartShown]

    @property
    def may_be_the_last(self) -> bool:
        """Whether the part can end with this question."""
        return self.position >= LEAST_ITEMS

    @property
    def is_the_last(self) -> bool:
        return self.position >= MOST_ITEMS


def question_of(now: SittingNow) -> Question:
    """Of a sitting that is in progress."""
    item, component = item_of(now), bank(now.bank_version).component(now.component)
    return Question(
        sitting_id=now.id,
        id=now.question,
        kind=KINDS[type(item)],
        component=component.title,
        about=component.about,
        stem=item.stem,
        exhibit=item.exhibit,
        unit=item.unit if isinstance(item, Numeric) else "",
        position=now.position,
        step=now.step,
        parts=parts_of(now),
    )


def item_of(now: SittingNow) -> AnyItem:
    return bank(now.bank_version).items[now.item_id]


def parts_of(now: SittingNow) -> list[PartShown]:
    released = bank(now.bank_version)
    return [_part(released, name, number, now) for number, name in enumerate(COMPONENTS, start=1)]


def _part(released: Bank, name: str, number: int, now: SittingNow) -> PartShown:
    state = "now" if number == now.step else "done" if number < now.step else "to come"
    marks = [_mark(position, now.position) for position in range(1, MOST_ITEMS + 1)] if state == "now" else []
    return PartShown(released.component(name).title, state, marks)


def _mark(position: int, now: int) -> Mark:
    if position < now:
        return Mark.DONE
    if position == now:
        return Mark.NOW
    return Mark.SURE if position <= LEAST_ITEMS else Mark.MAYBE
