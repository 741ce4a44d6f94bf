"""A page begins behind a row, not at a number of rows: a deep one costs as much as the first, and none shows twice."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import ColumnElement, literal, tuple_

Row = TypeVar("Row")


class Page(msgspec.Struct, Generic[Row], frozen=True):
    """Rows in their order. `after` is the place of the last one, to ask for the next page with; None: there is none."""

    rows: Sequence[Row]
    after: tuple[Any, ...] | None


def beyond(columns: Sequence[Any], place: Sequence[Any], *, descending: bool) -> ColumnElement[bool]:
    """Rows behind `place`. One comparison of whole rows, which both databases answer from the index of the order."""
    given = [literal(value, column.type) for column, value in zip(columns, place, strict=True)]
    row, values = (tuple_(*columns), tuple_(*given)) if len(columns) > 1 else (columns[0], given[0])
    found: ColumnElement[bool] = row < values if descending else row > values
    return found


def ordered(columns: Sequence[Any], *, descending: bool) -> list[Any]:
    return [column.desc() if descending else column.asc() for column in columns]


def place_of(row: Any, columns: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(getattr(row, column.key) for column in columns)
