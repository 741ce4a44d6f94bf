"""The introduction tells a learner where they were, and sends them on to what is left to do."""

import msgspec

from qulab.lab.benches import BENCHES
from qulab.lab.learner.progress import SECTIONS, Learner, Outcome
from qulab.lab.sections import Section, section


class Row(msgspec.Struct, frozen=True):
    """One section; None where nothing was expected or answered yet."""

    section: Section
    visited: bool
    prediction: Outcome | None
    checkpoint: Outcome | None


class Overview(msgspec.Struct, frozen=True):
    """`resume`: where to go on; None when every checkpoint was answered right."""

    rows: list[Row]
    has_begun: bool
    resume: Section | None


def overview(learner: Learner) -> Overview:
    rows = [_row(learner, number) for number in SECTIONS]
    return Overview(rows, learner.has_begun, _resume(rows, learner.last))


def _row(learner: Learner, number: int) -> Row:
    one = section(number)
    experiment = next((bench.name for bench in BENCHES.values() if bench.section == number), "")
    return Row(
        one,
        number in learner.visited,
        learner.predictions.get(experiment),
        learner.checkpoints.get(one.url_name.removeprefix("lab:")),
    )


def _resume(rows: list[Row], last: int) -> Section | None:
    """The section seen last, unless its checkpoint is done; then the next one that is not, round to the first."""
    at = max(last - 1, 0)
    open_ones = [row.section for row in [*rows[at:], *rows[:at]] if row.checkpoint is not Outcome.RIGHT]
    return open_ones[0] if open_ones else None
