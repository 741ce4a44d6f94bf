"""Section 3: the statements are counted first, and the times are those of the same turns."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from qulab.lab import charts
from qulab.lab.experiments.queries import EXPERIMENT, QueriesResult
from qulab.lab.forms import NumberField
from qulab.lab.plots import Bar, Bars, Plot
from qulab.lab.runs import SavedRun
from qulab.lab.workbench import ExperimentForm, Figure, WhatIf, Workbench


class QueriesForm(ExperimentForm):
    users = NumberField(least=1, most=500, initial=200, label=gettext_lazy("Users"), help_text="1–500")
    scores_per_user = NumberField(least=1, most=10, initial=3, label=gettext_lazy("Scores each"), help_text="1–10")
    repeats = NumberField(least=1, most=5, initial=3, label=gettext_lazy("Repeats"), help_text="1–5")


def verdict(result: QueriesResult) -> str:
    """Which of the predictions the count of the lazy loop proved right."""
    sent = result.of("lazy").statements
    return {result.users + 1: "n1", result.users: "n", 2: "2"}.get(sent, "")


def figures(result: QueriesResult) -> list[Figure]:
    compared = [one for one in result.variants if not one.error]
    counts = [
        Figure(name=_("%(way)s: statements") % {"way": one.name}, value=one.statements, better="lower")
        for one in compared
    ]
    times = [Figure.of(_("%(way)s: time") % {"way": one.name}, one.time, "ms", better="lower") for one in compared]
    return [*counts, *times]


def plots(result: QueriesResult, _what_if: WhatIf) -> list[Plot | Bars]:
    compared = [one for one in result.variants if not one.error]
    return [
        Bars(
            name="times",
            title=_("Time of each way"),
            caption=_("Medians; the whiskers span fastest to slowest."),
            unit="ms",
            bars=[Bar(label=one.name, value=one.time.median, low=one.time.low, high=one.time.high) for one in compared],
        )
    ]


def extra(run: SavedRun) -> dict[str, Any]:
    lazy = run.result.of("lazy")
    return {"bars": charts.waterfall(lazy.waterfall), "more": lazy.statements - len(lazy.waterfall)}


WORKBENCH = Workbench(
    experiment=EXPERIMENT,
    result=QueriesResult,
    section=3,
    title=gettext_lazy("Try it: four ways to load"),
    text=gettext_lazy("Users and scores are made on scratch data, loaded in four ways in turns, and thrown away."),
    form=QueriesForm,
    question=gettext_lazy("Before you run it: how many statements will the lazy loop send?"),
    predictions=[
        ("2", gettext_lazy("2: users, then scores")),
        ("n", gettext_lazy("one for each user")),
        ("n1", gettext_lazy("one more than users")),
    ],
    verdict=verdict,
    figures=figures,
    plots=plots,
    x_label=gettext_lazy("repeat"),
    y_label=gettext_lazy("time, ms"),
    seconds="3",
    sources=[
        ("qulab/lab/experiments/queries.py", "walk_lazily"),
        ("qulab/lab/experiments/queries.py", "load_with_selectin"),
        ("qulab/lab/experiments/queries.py", "load_with_join"),
        ("qulab/db/repository.py", "BaseRepository"),
    ],
    details="lab/benches/queries.html",
    extra=extra,
)
