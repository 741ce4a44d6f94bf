"""The entity-relationship diagram is drawn from the metadata that creates the tables: it cannot name what is not there.

A table is a box with a row for each column; a foreign key is a line from its column, with a crow's foot, to the key
that it refers to. Drawn twice: side by side, and one below the other for a phone. Where boxes stand below each other,
the keys to one table run in one lane beside them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from django.utils.translation import gettext as _
from sqlalchemy import Column, ForeignKey, Index, Table

from qulab.db.base import Base
from qulab.lab.schema import SHOWN, condition

CONCEPTS = {"domain_events": "event"}  # every other table is the database's own
WIDE = (("assessments", "responses"), ("users", "sittings"), ("air_scores", "domain_events"))
NARROW = (SHOWN,)
HEAD, ROW, INDEX, PAD, BETWEEN = 30, 19, 17, 8, 34


class Line(msgspec.Struct, frozen=True):
    """A column as it is written into its box."""

    y: float
    key: str
    name: str
    type: str


class Entity(msgspec.Struct, frozen=True):
    name: str
    concept: str
    x: float
    y: float
    width: float
    height: float
    lines: list[Line]
    indexes: list[Line]

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def rule(self) -> float:
        """Where the columns end and the indexes begin."""
        return self.y + HEAD + ROW * len(self.lines) + PAD

    def at(self, column: str) -> float:
        return next(line.y for line in self.lines if line.name == column) - 4


class Link(msgspec.Struct, frozen=True):
    """A foreign key; `foot` marks the many, `bar` the one."""

    path: str
    foot: str
    bar: str


class Drawing(msgspec.Struct, frozen=True):
    name: str
    width: float
    height: float
    entities: list[Entity]
    links: list[Link]


class Sheet(msgspec.Struct, frozen=True):
    """Sizes of one drawing, in pixels. `margin` is left of the first boxes; `lane` how far from them its first lane."""

    name: str
    box: float
    gap: float
    margin: float
    lane: float


WIDE_SHEET, NARROW_SHEET = Sheet("wide", 268, 60, 18, 16), Sheet("narrow", 296, 0, 33, 12)
LANE = 10  # from one lane to the next


def drawings() -> list[Drawing]:
    return [_draw(WIDE_SHEET, WIDE), _draw(NARROW_SHEET, NARROW)]


def sentence() -> str:
    """The same in words, for who does not see it."""
    keys = [
        _("%(column)s refers to %(target)s, on delete %(rule)s.")
        % {"column": f"{table.name}.{key.parent.name}", "target": key.target_fullname, "rule": _rule(key).lower()}
        for table in _tables()
        for key in _keys(table)
    ]
    counts = [_("%(table)s has %(n)s columns.") % {"table": table.name, "n": len(table.columns)} for table in _tables()]
    return " ".join([*counts, *keys])


def _tables() -> Iterator[Table]:
    return (Base.metadata.tables[name] for column in NARROW for name in column)


def _keys(table: Table) -> list[ForeignKey]:
    return sorted(table.foreign_keys, key=lambda key: str(key.parent.name))


def _rule(key: ForeignKey) -> str:
    return key.ondelete or "NO ACTION"


def _draw(sheet: Sheet, grid: Sequence[Sequence[str]]) -> Drawing:
    entities: dict[str, Entity] = {}
    for place, names in enumerate(grid):
        y = 1.0
        for name in names:
            one = _entity(Base.metadata.tables[name], sheet.margin + place * (sheet.box + sheet.gap), y, sheet)
            entities[name] = one
            y = one.y + one.height + BETWEEN
    return Drawing(
        name=sheet.name,
        width=sheet.margin + len(grid) * (sheet.box + sheet.gap) - sheet.gap + 1,
        height=max(one.y + one.height for one in entities.values()) + 1,
        entities=list(entities.values()),
        links=list(_links(entities, sheet)),
    )


def _entity(table: Table, x: float, y: float, sheet: Sheet) -> Entity:
    first = y + HEAD + ROW - 3
    lines = [_line(column, first + ROW * i) for i, column in enumerate(table.columns)]
    below = y + HEAD + ROW * len(lines) + PAD
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    return Entity(
        name=table.name,
        concept=CONCEPTS.get(table.name, "database"),
        x=x,
        y=y,
        width=sheet.box,
        height=below + INDEX * len(indexes) + PAD - y,
        lines=lines,
        indexes=[
            Line(below + INDEX * (i + 1) - 2, _kind(one), _columns(one.columns), "") for i, one in enumerate(indexes)
        ],
    )


def _kind(index: Index) -> str:
    name = _("unique") if index.unique else _("index")
    return f"{name}*" if condition(index) else name


def _columns(columns: "Iterable[Column[Any]]") -> str:
    return ", ".join(column.name for column in columns)


def _line(column: "Column[object]", y: float) -> Line:
    """A foreign key has the type of what it refers to; what is told of it is what becomes of its row."""
    key = "PK" if column.primary_key else "FK" if column.foreign_keys else "U" if column.unique else ""
    kind = f"{column.type}{'?' if column.nullable else ''}"
    if target := next(iter(column.foreign_keys), None):
        kind = _("on delete %(rule)s") % {"rule": _rule(target).lower()}
    return Line(y, key, column.name, kind)


def _links(entities: Mapping[str, Entity], sheet: Sheet) -> Iterator[Link]:
    pairs = [(entity, key) for entity in entities.values() for key in _keys(Base.metadata.tables[entity.name])]
    lanes = _lanes(entities, pairs, sheet)
    for entity, key in pairs:
        other = entities[key.column.table.name]
        ends = (entity.at(key.parent.name), other.at(key.column.name))
        if entity.x == other.x:
            yield _beside(entity, other, ends, entity.x - lanes[other.name])
        else:
            yield _between(entity, other, ends)


def _lanes(
    entities: Mapping[str, Entity], pairs: Sequence[tuple[Entity, ForeignKey]], sheet: Sheet
) -> Mapping[str, float]:
    """How far beside the boxes the keys to each table run: the later a table stands, the nearer."""
    beside = {key.column.table.name for entity, key in pairs if entities[key.column.table.name].x == entity.x}
    columns: dict[float, list[str]] = {}
    for name in (name for name in reversed(list(entities)) if name in beside):
        columns.setdefault(entities[name].x, []).append(name)
    return {name: sheet.lane + LANE * i for names in columns.values() for i, name in enumerate(names)}


def _between(many: Entity, one: Entity, ends: tuple[float, float]) -> Link:
    """From side to side, through the gap of two boxes."""
    (start, end), right = ends, one.x > many.x
    x0, x1 = (many.right, one.x) if right else (many.x, one.right)
    way = 1 if right else -1
    return Link(
        path=f"M{x0},{start}H{(x0 + x1) / 2}V{end}H{x1}",
        foot=_foot(x0, start, way),
        bar=f"M{x1 - 9 * way},{end - 6}v12",
    )


def _beside(many: Entity, one: Entity, ends: tuple[float, float], x: float) -> Link:
    """Round the left of boxes that stand below each other."""
    start, end = ends
    return Link(
        path=f"M{many.x},{start}H{x}V{end}H{one.x}",
        foot=_foot(many.x, start, -1),
        bar=f"M{one.x - 9},{end - 6}v12",
    )


def _foot(x: float, y: float, way: int) -> str:
    return f"M{x},{y - 6}L{x + 10 * way},{y}L{x},{y + 6}"
