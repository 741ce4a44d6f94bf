"""Section 3: the statements are counted first, and the times are those of the same turns."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from qulab.db.lines import Line
from qulab.lab import charts
from qulab.lab.experiments.queries import EXPERIMENT, QueriesResult, Variant
from qulab.lab.forms import NumberField
from qulab.lab.plots import Axis, Bar, Bars, Mark, Plot, Point, Series
from qulab.lab.runs import SavedRun
from qulab.lab.statements.explain import Plan, read
from qulab.lab.statements.tokens import Logged
from qulab.lab.workbench import ExperimentForm, Figure, WhatIf, Workbench


class QueriesForm(ExperimentForm):
    users = NumberField(least=1, most=500, initial=200, label=gettext_lazy("Users"), help_text="1–500")
    scores_per_user = NumberField(least=1, most=10, initial=3, label=gettext_lazy("Scores each"), help_text="1–10")
    repeats = NumberField(least=1, most=5, initial=3, label=gettext_lazy("Repeats"), help_text="1–5")


class WhatIfForm(forms.Form):
    """Another number of users, and a network: of both the model knows only what each statement cost here."""

    users = NumberField(least=1, most=5000, initial=400, label=gettext_lazy("Number of users"), help_text="1–5000")
    round_trip = NumberField(
        least=0, most=100, initial=0, label=gettext_lazy("Network round trip, ms"), help_text="0–100"
    )


def what_if_initial(result: QueriesResult) -> dict[str, Any]:
    return {"users": 2 * result.users, "round_trip": 0}


def verdict(result: QueriesResult) -> str:
    """Which of the predictions the count of the lazy loop proved right; of one user, 2 is one more than users."""
    sent = result.of("lazy").statements
    right = [(result.users + 1, "n1"), (result.users, "n"), (2, "2")]
    return next((key for count, key in right if count == sent), "")


def compared(result: QueriesResult) -> list[Variant]:
    """The ways that loaded something."""
    return [one for one in result.variants if not one.error]


def figures(result: QueriesResult) -> list[Figure]:
    ways = compared(result)
    counts = [
        Figure(name=_("%(way)s: statements") % {"way": one.name}, value=one.statements, better="lower", exact=True)
        for one in ways
    ]
    times = [Figure.of(_("%(way)s: time") % {"way": one.name}, one.time, "ms", better="lower") for one in ways]
    return [*counts, *times]


def plots(result: QueriesResult, what_if: WhatIf) -> list[Plot | Bars]:
    asked = {**what_if_initial(result), **what_if}
    model = lazy_model(result, users=int(asked["users"]), round_trip=float(asked["round_trip"]))
    far = [_far(result, float(asked["round_trip"]))] if asked["round_trip"] else []
    return [*_measured(result), model, *far]


def _measured(result: QueriesResult) -> list[Bars]:
    return [
        Bars(
            name="statements",
            title=_("Statements of each way"),
            caption=_("Counted where the driver is called. The scale is logarithmic: each line is ten times the last."),
            unit=_("statements"),
            log=True,
            bars=[Bar(label=one.name, value=one.statements, text=str(one.statements)) for one in compared(result)],
        ),
        Bars(
            name="times",
            title=_("Time of each way"),
            caption=_("Medians of %(repeats)s; the whiskers span fastest to slowest.")
            % {"repeats": result.of("lazy").time.n},
            unit="ms",
            bars=[
                Bar(label=one.name, value=one.time.median, low=one.time.low, high=one.time.high)
                for one in compared(result)
            ],
        ),
    ]


def per_statement(result: QueriesResult) -> float:
    """What one statement of the lazy loop took, its objects made: the mean of the median repeat, in milliseconds."""
    lazy = result.of("lazy")
    return lazy.time.median / lazy.statements


def lazy_model(result: QueriesResult, *, users: int, round_trip: float = 0.0) -> Plot:
    """The lazy loop for any number of users: what each statement cost here, N + 1 times."""
    lazy, each = result.of("lazy"), per_statement(result) + round_trip
    end = max(users, result.users)
    return Plot(
        name="lazy",
        title=_("The lazy loop at another number of users"),
        caption=_(
            "Dashed, the model: %(each).2f ms for a statement, N + 1 times; %(users)s users would take %(total).0f ms. "
            "Dots were measured. Run it with that many users, and see how far the model holds."
        )
        % {"each": each, "users": users, "total": each * (users + 1)},
        x=Axis(_("users"), low=0, high=end),
        y=Axis(_("time"), "ms", low=0),
        series=[
            Series(_("lazy, model"), [Point(n, each * (n + 1)) for n in (0, end)], model=True, kind="line"),
            _dot(result, lazy, "database"),
            _dot(result, result.of("selectinload"), "app"),
        ],
        marks=[Mark("x", users, _("%(total).0f ms") % {"total": each * (users + 1)})] if users != result.users else [],
    )


def _dot(result: QueriesResult, way: Variant, colour: Literal["app", "database"]) -> Series:
    measured = Point(result.users, way.time.median, way.time.low, way.time.high)
    return Series(way.name, [measured], colour=colour, kind="dots")


def _far(result: QueriesResult, round_trip: float) -> Bars:
    """Arithmetic on measured counts: each statement waits for the network once."""
    return Bars(
        name="far",
        title=_("The same, with the database further away"),
        caption=_("Not measured: each median, and %(ms)g ms more for every statement that was counted.")
        % {"ms": round_trip},
        unit="ms",
        bars=[Bar(label=one.name, value=one.time.median + round_trip * one.statements) for one in compared(result)],
    )


# --- What else is shown ----------------------------------------------------------------------------------------------


class GroupView(msgspec.Struct, frozen=True):
    """Statements of one text that one way sent. `plan` is None in runs that were saved before plans were."""

    way: str
    count: int
    milliseconds: float
    sql: str
    short: str
    lines: list[Line]
    plan: Plan | None


def groups(result: QueriesResult) -> list[GroupView]:
    plans = {one.sql: read(Logged(result.dialect, one.sql), one.lines) for one in result.plans}
    return [
        GroupView(
            way.name,
            one.count,
            one.milliseconds,
            one.sql,
            charts.abbreviated(one.sql),
            one.lines,
            plans.get(one.sql),
        )
        for way in compared(result)
        for one in way.groups
    ]


def extra(run: SavedRun) -> dict[str, Any]:
    result: QueriesResult = run.result
    lazy, quickest = result.of("lazy"), _quickest(compared(result))
    return {
        "ways": compared(result),
        "quickest": quickest.name,
        "times": round(lazy.time.median / quickest.time.median, 1),
        "refused": result.of("raiseload"),
        "groups": groups(result),
        "bars": charts.waterfall(lazy.waterfall),
        "more": lazy.statements - len(lazy.waterfall),
    }


def _quickest(ways: Sequence[Variant]) -> Variant:
    return min(ways, key=lambda one: one.time.median)


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
    what_if=WhatIfForm,
    what_if_initial=what_if_initial,
    x_label=gettext_lazy("repeat"),
    y_label=gettext_lazy("time, ms"),
    seconds="2",
    sources=[
        ("qulab/lab/experiments/queries.py", "walk_lazily"),
        ("qulab/lab/experiments/queries.py", "load_with_selectin"),
        ("qulab/lab/experiments/queries.py", "load_with_join"),
        ("qulab/db/repository.py", "BaseRepository"),
    ],
    details="lab/benches/queries.html",
    extra=extra,
)
