"""What the terminal shows of a result: figures as on the pages, in columns that line up."""

from collections.abc import Iterator

from qulab.lab.experiments import Table
from qulab.lab.measure import Spread

GAP = "  "


def figure(value: float | None) -> str:
    """Three figures, no more; a dash where nothing was measured."""
    if value is None:
        return "–"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def median(spread: Spread) -> list[str]:
    """The three columns under `median_of`."""
    return [figure(spread.median), f"{figure(spread.low)} – {figure(spread.high)}", str(spread.n)]


def range_of(spread: Spread | None) -> str:
    """A median with its range in one column; a dash where nothing was measured."""
    if spread is None:
        return figure(None)
    return f"{figure(spread.median)} ({figure(spread.low)} – {figure(spread.high)})"


def median_of(what: str) -> list[str]:
    """Headings of the three columns of a median with its spread."""
    return [what, "low – high", "n"]


def lines(table: Table) -> Iterator[str]:
    """The table as text: the first column to the left, the others to the right."""
    rows = [table.headings, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.headings))]
    yield _line(table.headings, widths)
    yield GAP.join("─" * width for width in widths)
    for row in table.rows:
        yield _line(row, widths)
    if table.notes:
        yield ""
    yield from table.notes
    for further in table.further:
        yield ""
        yield from lines(further)


def _line(row: list[str], widths: list[int]) -> str:
    first, *others = (
        text.rjust(width) if column else text.ljust(width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return GAP.join([first, *others]).rstrip()
