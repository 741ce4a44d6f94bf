"""Statements on their time line and outcomes in their order, worked out here: a template only writes them down."""

import re
from collections.abc import Sequence

import msgspec

from qulab.db.probe import Statement


class Bar(msgspec.Struct, frozen=True):
    """A statement on the time line of all statements, from 0 to 100. `number`: None for what is listed, not counted."""

    number: int | None
    statement: Statement
    short: str
    x: float
    width: float


def waterfall(statements: Sequence[Statement], *, full: bool = False) -> list[Bar]:
    """Each statement where it began, as long as it took."""
    if not statements:
        return []
    first = statements[0].start
    end = max(one.start + one.milliseconds for one in statements) - first or 1.0
    numbers = iter(range(1, len(statements) + 1))
    return [
        Bar(
            None if one.controls else next(numbers),
            one,
            one.sql if full else abbreviated(one.sql),
            round((one.start - first) / end * 100, 2),
            max(round(one.milliseconds / end * 100, 2), 0.8),
        )
        for one in statements
    ]


def abbreviated(sql: str) -> str:
    """One line of a statement, its long lists left out: the whole text stands below it."""
    text = re.sub(r"\((\?|\$\d+\S*|%s)(, (\?|\$\d+\S*|%s)){3,}\)", "(…)", " ".join(sql.split()))
    if len(text) <= 90:
        return text
    head, keyword, tail = text.partition(" FROM ")
    if keyword and head.startswith("SELECT"):
        return _cut(f"SELECT … FROM {tail}")  # noqa: S608 - text to read, never sent
    head, keyword, _ = text.partition(" VALUES ")
    return _cut(f"{head.partition(' (')[0]} (…) VALUES (…)" if keyword else text)


def _cut(text: str) -> str:
    return text if len(text) <= 110 else text[:109] + "…"


_KINDS = {"hit": "hit", "negative hit": "hit", "stale hit": "stale", "bypass": "bypass"}


class Stripe(msgspec.Struct, frozen=True):
    """A run of equal outcomes."""

    x: int
    width: int
    kind: str


def stripes(outcomes: Sequence[str]) -> list[Stripe]:
    """Hits and misses in the order they came, neighbours of one kind joined. A stale hit is a kind of its own."""
    kinds = [_KINDS.get(one, "miss") for one in outcomes]
    starts = [i for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind]
    return [
        Stripe(start, end - start, kinds[start]) for start, end in zip(starts, [*starts[1:], len(kinds)], strict=True)
    ]
