"""A concept's dot has its shape of the diagrams, made small; others of that colour take further shapes."""

from collections.abc import Sequence

from msgspec.structs import replace

from qulab.lab.plots.data import Series, Shape

OWN: dict[str, Shape] = {
    "app": "square",
    "database": "circle",
    "cache": "hexagon",
    "event": "pennant",
    "ink": "diamond",
    "ok": "circle",
    "bad": "cross",
}
FURTHER: Sequence[Shape] = ("circle", "square", "diamond", "pennant", "hexagon", "cross")


def shaped(series: Sequence[Series]) -> list[Series]:
    """Each with a shape; two of one colour never share theirs, as long as there are some left."""
    taken: dict[str, list[Shape]] = {}
    given = []
    for one in series:
        used = taken.setdefault(one.colour, [])
        free = [shape for shape in (OWN[one.colour], *FURTHER) if shape not in used]
        shape: Shape = one.shape or (free[0] if free else OWN[one.colour])
        if not one.model and not one.second:
            used.append(shape)
        given.append(replace(one, shape=shape))
    return given


def path(shape: str, x: float, y: float) -> str:
    """The outline of a dot about (x, y)."""
    return {
        "circle": f"M{x - 4:g},{y:g}a4,4 0 1 0 8,0a4,4 0 1 0 -8,0z",
        "square": f"M{x - 3.5:g},{y - 3.5:g}h7v7h-7z",
        "hexagon": f"M{x - 4.5:g},{y:g}l2.25,-4h4.5l2.25,4l-2.25,4h-4.5z",
        "pennant": f"M{x - 3.5:g},{y - 4.5:g}l8,4.5l-8,4.5z",
        "diamond": f"M{x:g},{y - 5:g}l5,5l-5,5l-5,-5z",
        "cross": f"M{x - 4:g},{y - 2.5:g}l1.5,-1.5l2.5,2.5l2.5,-2.5l1.5,1.5l-2.5,2.5l2.5,2.5l-1.5,1.5l-2.5,-2.5"
        "l-2.5,2.5l-1.5,-1.5l2.5,-2.5z",
    }[shape]
