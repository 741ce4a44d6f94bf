"""What a template gets of a question: neither its key nor its level, its rationale or its id in the bank."""

import re
from enum import StrEnum

import msgspec

from assessments.bank import AnyItem, Bank, Choice, Multiple, Numeric, Ordering, bank
from assessments.scoring import COMPONENTS
from assessments.selection import MOST_ITEMS
from assessments.selectors import SittingNow

COLUMNS = re.compile(r"\S {2,}\S")  # spaces within a line; those that it begins with indent it
KINDS = {Choice: "choice", Multiple: "multiple", Ordering: "ordering", Numeric: "numeric"}


class Mark(StrEnum):
    """Of one question in the picture of a part, which has room for the most. Few parts end much sooner."""

    DONE = "done"
    NOW = "now"
    LATER = "later"


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
    is_table: bool  # the exhibit
    unit: str
    position: int
    step: int
    parts: list[PartShown]

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
        is_table=is_table(item.exhibit),
        unit=item.unit if isinstance(item, Numeric) else "",
        position=now.position,
        step=now.step,
        parts=parts_of(now),
    )


def item_of(now: SittingNow) -> AnyItem:
    return bank(now.bank_version).items[now.item_id]


def is_table(exhibit: str) -> bool:
    """Whether most of its lines stand in columns, which a line that wraps would tear apart."""
    lines = exhibit.splitlines()
    return 2 * sum(bool(COLUMNS.search(line)) for line in lines) > len(lines)


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
    return Mark.NOW if position == now else Mark.LATER
