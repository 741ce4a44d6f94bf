"""Section 1: what each way sends is counted, and stands before what it costs."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from qulab.lab import charts
from qulab.lab.experiments.cascade import BARE, EXPERIMENT, LOADED, PASSIVE, PLAIN, CascadeResult
from qulab.lab.forms import NumberField
from qulab.lab.plots import Axis, Bar, Bars, Plot, Point, Series
from qulab.lab.plots.data import Colour
from qulab.lab.runs import SavedRun
from qulab.lab.workbench import ExperimentForm, Figure, WhatIf, Workbench

COLOURS: dict[str, Colour] = {LOADED: "app", PASSIVE: "ink", PLAIN: "database", BARE: "bad"}


class CascadeForm(ExperimentForm):
    scores = NumberField(
        least=4,
        most=2000,
        initial=1000,
        label=gettext_lazy("Scores"),
        help_text=gettext_lazy("4–2000; also fewer"),
    )
    others = NumberField(
        least=0, most=50000, initial=20000, label=gettext_lazy("Other scores"), help_text=gettext_lazy("0–50000 rows")
    )
    repeats = NumberField(least=1, most=5, initial=3, label=gettext_lazy("Repeats"), help_text="1–5")


def way_name(name: str) -> str:
    return {
        LOADED: _("ORM, scores loaded"),
        PASSIVE: _("ORM, database cascades"),
        PLAIN: _("plain DELETE"),
        BARE: _("plain DELETE, no index"),
    }[name]


def verdict(result: CascadeResult) -> str:
    """Which ways through the ORM named each score, as counted."""
    named = {way.name for way in result.ways if way.largest.deletes > 1}
    return {frozenset(): "none", frozenset({LOADED}): "loaded", frozenset({LOADED, PASSIVE}): "orm"}.get(
        frozenset(named), ""
    )


def figures(result: CascadeResult) -> list[Figure]:
    counts = [
        Figure(
            name=_("%(way)s: DELETEs") % {"way": way_name(way.name)},
            value=way.largest.deletes,
            text=_("%(calls)s calls of the driver") % {"calls": way.largest.statements},
            better="lower",
            exact=True,
        )
        for way in result.ways
    ]
    times = [
        Figure.of(_("%(way)s: time") % {"way": way_name(way.name)}, way.largest.time, "ms", better="lower")
        for way in result.ways
    ]
    return [*counts, *times]


def plots(result: CascadeResult, _what_if: WhatIf) -> list[Plot | Bars]:
    return [_times(result), _deletes(result)]


def _times(result: CascadeResult) -> Plot:
    sizes = [float(one.scores) for one in result.ways[0].deletions]
    return Plot(
        name="cascade-times",
        title=_("Time to delete a user with N scores"),
        caption=_(
            "Both axes are logarithmic. A line that climbs does work for each score; one that starts high looks at "
            "the whole table whatever N is. Medians, whiskers from lowest to highest."
        ),
        x=Axis(_("scores of the user, N"), log=True, ticks=sizes, low=sizes[0], high=max(sizes[-1], sizes[0] * 2)),
        y=Axis(_("time"), "ms", log=True),
        series=[
            Series(
                way_name(way.name),
                [Point(one.scores, one.time.median, one.time.low, one.time.high) for one in way.deletions],
                COLOURS[way.name],
            )
            for way in result.ways
        ],
    )


def _deletes(result: CascadeResult) -> Bars:
    n = result.ways[0].largest.scores
    return Bars(
        name="cascade-deletes",
        title=_("DELETEs that reach the database, for %(n)s scores") % {"n": n},
        caption=_("Counted at the driver. One call can carry many: each set of parameters is a DELETE of its own."),
        unit="DELETE",
        bars=[Bar(way_name(way.name), way.largest.deletes, colour=COLOURS[way.name]) for way in result.ways],
        log=True,
    )


def extra(run: SavedRun) -> dict[str, Any]:
    result: CascadeResult = run.result
    return {
        "ways": [(way_name(way.name), charts.waterfall(way.sent)) for way in result.ways if way.name != BARE],
        "n": result.ways[0].largest.scores,
        "few": result.ways[0].deletions[0].scores,
        "loaded_times": result.of(LOADED).largest.time.median / result.of(PASSIVE).largest.time.median,
        "bare_times": _slower(result),
    }


def _slower(result: CascadeResult) -> float:
    """How many times as long the fewest scores take without the index."""
    return result.of(BARE).deletions[0].time.median / result.of(PLAIN).deletions[0].time.median


WORKBENCH = Workbench(
    experiment=EXPERIMENT,
    result=CascadeResult,
    section=1,
    title=gettext_lazy("Try it: delete a user, in four ways"),
    text=gettext_lazy(
        "Users with few and with many scores are made on scratch data, deleted in each way in turns, and brought back "
        "by a rollback."
    ),
    form=CascadeForm,
    question=gettext_lazy("Before you run it: which way sends a DELETE for each score?"),
    predictions=[
        ("none", gettext_lazy("none: the foreign key deletes the scores")),
        ("loaded", gettext_lazy("only the ORM that has loaded the scores")),
        ("orm", gettext_lazy("both ways through the ORM")),
    ],
    verdict=verdict,
    figures=figures,
    plots=plots,
    x_label=gettext_lazy("scores of the user"),
    y_label=gettext_lazy("time, ms"),
    seconds="3",
    sources=[
        ("qulab/lab/experiments/cascade.py", "delete_loaded"),
        ("qulab/lab/experiments/cascade.py", "delete_and_let_cascade"),
        ("qulab/lab/experiments/cascade.py", "delete_plainly"),
        ("qulab/lab/experiments/cascade.py", "Place.read"),
    ],
    details="lab/benches/cascade.html",
    extra=extra,
)
