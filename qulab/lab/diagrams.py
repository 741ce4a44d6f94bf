"""A concept has one colour and one shape in every diagram; a diagram is drawn twice, wide and for a phone.

A diagram is nodes, edges, and two grids that say where the nodes stand. A node that a grid leaves out is not drawn
there, nor are its edges.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import msgspec

Concept = Literal["app", "database", "cache", "event", "plain"]
Side = Literal["straight", "rows", "columns"]


class Node(msgspec.Struct, frozen=True):
    concept: Concept
    label: str
    sub: str = ""
    href: str = ""


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """An arrow. `through` says which gap a bent one takes: the one between rows, or the one between columns."""

    start: str
    end: str
    label: str = ""
    both: bool = False
    dashed: bool = False
    through: Side = "rows"
    shift: int = 0


class Diagram(msgspec.Struct, frozen=True):
    name: str
    title: str
    text: str
    nodes: Mapping[str, Node]
    edges: Sequence[Edge]
    wide: Sequence[str]
    narrow: Sequence[str]


class Sheet(msgspec.Struct, frozen=True):
    """Sizes of one drawing, in pixels."""

    name: str
    width: int
    height: int
    across: int
    down: int


WIDE = Sheet("wide", 176, 64, 60, 56)
NARROW = Sheet("narrow", 150, 62, 56, 46)


class DrawnNode(msgspec.Struct, frozen=True):
    node: Node
    shape: str
    x: float
    label_y: float
    sub_y: float


class DrawnEdge(msgspec.Struct, frozen=True):
    edge: Edge
    path: str
    heads: str
    label_x: float
    label_y: float


class Drawing(msgspec.Struct, frozen=True):
    name: str
    id: str
    width: float
    height: float
    nodes: list[DrawnNode]
    edges: list[DrawnEdge]


class Box(msgspec.Struct, frozen=True):
    x: float
    y: float
    w: float
    h: float

    @property
    def cx(self) -> float:
        return self.x + self.w / 2

    @property
    def cy(self) -> float:
        return self.y + self.h / 2


Point = tuple[float, float]


def draw(diagram: Diagram) -> list[Drawing]:
    return [_draw(diagram, WIDE, diagram.wide), _draw(diagram, NARROW, diagram.narrow)]


def _draw(diagram: Diagram, sheet: Sheet, grid: Sequence[str]) -> Drawing:
    boxes = _place(sheet, grid)
    columns, rows = max(len(row.split()) for row in grid), len(grid)
    return Drawing(
        name=sheet.name,
        id=f"{diagram.name}-{sheet.name}",
        width=columns * (sheet.width + sheet.across) - sheet.across + 2,
        height=rows * (sheet.height + sheet.down) - sheet.down + 2,
        nodes=[_node(diagram.nodes[name], box) for name, box in boxes.items()],
        edges=[
            _edge(edge, boxes[edge.start], boxes[edge.end], sheet)
            for edge in diagram.edges
            if edge.start in boxes and edge.end in boxes
        ],
    )


def _place(sheet: Sheet, grid: Sequence[str]) -> dict[str, Box]:
    return {
        name: Box(1 + x * (sheet.width + sheet.across), 1 + y * (sheet.height + sheet.down), sheet.width, sheet.height)
        for y, row in enumerate(grid)
        for x, name in enumerate(row.split())
        if name != "."
    }


def _node(node: Node, box: Box) -> DrawnNode:
    middle = box.cy + (4 if node.concept == "database" else 0)
    label_y, sub_y = (middle - 4, middle + 15) if node.sub else (middle + 5, middle)
    centre = box.cx - (6 if node.concept == "event" else 0)
    return DrawnNode(node, SHAPES[node.concept](box), centre, label_y, sub_y)


def _rectangle(b: Box) -> str:
    r = 6
    return (
        f"M{b.x + r},{b.y}H{b.x + b.w - r}q{r},0 {r},{r}V{b.y + b.h - r}q0,{r} -{r},{r}"
        f"H{b.x + r}q-{r},0 -{r},-{r}V{b.y + r}q0,-{r} {r},-{r}z"
    )


def _cylinder(b: Box) -> str:
    lid = 7
    half = b.w / 2
    return (
        f"M{b.x},{b.y + lid}V{b.y + b.h - lid}a{half},{lid} 0 0 0 {b.w},0V{b.y + lid}"
        f"a{half},{lid} 0 0 0 -{b.w},0a{half},{lid} 0 0 0 {b.w},0"
    )


def _hexagon(b: Box) -> str:
    cut = 14
    return (
        f"M{b.x + cut},{b.y}H{b.x + b.w - cut}L{b.x + b.w},{b.cy}L{b.x + b.w - cut},{b.y + b.h}"
        f"H{b.x + cut}L{b.x},{b.cy}z"
    )


def _pennant(b: Box) -> str:
    return f"M{b.x},{b.y}H{b.x + b.w - 16}L{b.x + b.w},{b.cy}L{b.x + b.w - 16},{b.y + b.h}H{b.x}z"


def _bracket(b: Box) -> str:
    return f"M{b.x},{b.y}H{b.x + b.w}V{b.y + b.h}H{b.x}z"


SHAPES = {"app": _rectangle, "database": _cylinder, "cache": _hexagon, "event": _pennant, "plain": _bracket}


def _edge(edge: Edge, a: Box, b: Box, sheet: Sheet) -> DrawnEdge:
    points = _route(edge, a, b, sheet)
    heads = _head(points[-2], points[-1]) + (_head(points[1], points[0]) if edge.both else "")
    (x1, y1), (x2, y2) = max(pairwise(points), key=lambda p: abs(p[0][0] - p[1][0]) + abs(p[0][1] - p[1][1]))
    flat = y1 == y2
    path = "M" + "L".join(f"{x},{y}" for x, y in points)
    return DrawnEdge(edge, path, heads, (x1 + x2) / 2, (y1 + y2) / 2 + (-7 if flat else 4))


def _route(edge: Edge, a: Box, b: Box, sheet: Sheet) -> list[Point]:
    s = edge.shift
    if a.y == b.y:
        right = b.x > a.x
        return [(a.x + a.w if right else a.x, a.cy + s), (b.x if right else b.x + b.w, b.cy + s)]
    if a.x == b.x:
        below = b.y > a.y
        return [(a.cx + s, a.y + a.h if below else a.y), (b.cx + s, b.y if below else b.y + b.h)]
    if edge.through == "rows":
        below = b.y > a.y
        gap = b.y - sheet.down / 2 if below else b.y + b.h + sheet.down / 2
        start, end = (a.y + a.h, b.y) if below else (a.y, b.y + b.h)
        return [(a.cx + s, start), (a.cx + s, gap), (b.cx + s, gap), (b.cx + s, end)]
    right = b.x > a.x
    gap = b.x - sheet.across / 2 if right else b.x + b.w + sheet.across / 2
    start, end = (a.x + a.w, b.x) if right else (a.x, b.x + b.w)
    return [(start, a.cy + s), (gap, a.cy + s), (gap, b.cy + s), (end, b.cy + s)]


def _head(before: Point, tip: Point) -> str:
    (x0, y0), (x, y) = before, tip
    dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
    return f"M{x},{y}L{x - 8 * dx - 4 * dy},{y - 8 * dy - 4 * dx}L{x - 8 * dx + 4 * dy},{y - 8 * dy + 4 * dx}z"
