"""Section 2: the model's line is drawn under the measured dots, and what is said of the knee is read off the dots."""

from typing import Any

import msgspec
from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from qulab.lab import formulas
from qulab.lab.experiments.pool_sweep import EXPERIMENT, Step, SweepResult, little
from qulab.lab.forms import NumberField
from qulab.lab.plots import Axis, Bars, Mark, Plot, Point, Series
from qulab.lab.runs import SavedRun
from qulab.lab.workbench import ExperimentForm, Figure, WhatIf, Workbench

WELL_BELOW = 0.85  # of the model: from here on the reader is told why


class SweepForm(ExperimentForm):
    size = NumberField(least=1, most=32, initial=16, label=gettext_lazy("Largest pool"), help_text="1–32")
    overflow = NumberField(least=0, most=16, initial=0, label=gettext_lazy("Overflow"), help_text="0–16")
    concurrency = NumberField(least=1, most=64, initial=12, label=gettext_lazy("At the same time"), help_text="1–64")
    requests = NumberField(
        least=1, most=400, initial=100, label=gettext_lazy("Requests"), help_text=gettext_lazy("1–400 in a reading")
    )
    work_ms = NumberField(
        least=0, most=20, initial=10, label=gettext_lazy("Database work, ms"), help_text=gettext_lazy("0–20 each")
    )
    repeats = NumberField(least=1, most=5, initial=3, label=gettext_lazy("Repeats"), help_text="1–5")
    each_time = forms.TypedChoiceField(
        label=gettext_lazy("Connect each time"),
        choices=[(True, gettext_lazy("compare")), (False, gettext_lazy("leave out"))],
        coerce=lambda value: value == "True",
        initial=True,
        error_messages=dict.fromkeys(["required", "invalid_choice"], gettext_lazy("Choose one of the two.")),
    )


class WhatIfForm(forms.Form):
    """Other values for the model: the dots stay where they were measured."""

    work_ms = NumberField(least=0, most=100, initial=10, label=gettext_lazy("Database work, ms"), help_text="0–100")
    concurrency = NumberField(least=1, most=200, initial=12, label=gettext_lazy("At the same time"), help_text="1–200")


def what_if_initial(result: SweepResult) -> dict[str, Any]:
    return {"work_ms": result.work_ms, "concurrency": result.concurrency}


def verdict(result: SweepResult) -> str:
    return result.bend


def figures(result: SweepResult) -> list[Figure]:
    knee, each_time = result.knee, result.each_time
    found = [
        Figure(name=_("Knee"), value=knee.size, text=_("connections kept open"), better="lower"),
        Figure.of(_("Throughput Θ there"), knee.throughput, "/s", better="higher"),
        Figure.of(_("Wait there, median"), knee.wait_p50, "ms", better="lower"),
        Figure.of(_("Wait there, 95 %"), knee.wait_p95, "ms", better="lower"),
        Figure.of(_("W of the smallest pool"), result.pool.steps[0].hold, "ms", better="lower"),
        Figure.of(_("W at the knee"), knee.hold, "ms", better="lower"),
    ]
    if each_time is None:
        return found
    same = each_time.at(knee.size)
    return [*found, Figure.of(_("Connecting each time"), same.throughput, "/s", better="higher")]


def plots(result: SweepResult, what_if: WhatIf) -> list[Plot | Bars]:
    return [_throughput(result, what_if), _waits(result), _over_time(result)]


def _throughput(result: SweepResult, what_if: WhatIf) -> Plot:
    ways = [Series(_("pool"), _points(result.pool.steps, "throughput"), "app")]
    if result.each_time is not None:
        ways.append(Series(_("connect each time"), _points(result.each_time.steps, "throughput"), "database"))
    law = Series(_("Little's law"), _line(result, result.concurrency, result.hold), "app", model=True)
    asked = []
    if what_if:
        hold = max(result.hold - result.work_ms + what_if["work_ms"], 0.01)
        asked = [Series(_("what if"), _line(result, what_if["concurrency"], hold), "event", model=True)]
    return Plot(
        name="pool-throughput",
        title=_("Throughput over the size of the pool"),
        caption=_(
            "Dots are measured: medians, whiskers from lowest to highest. Dashed lines are Little's law, with the W of "
            "the smallest pool kept for all sizes: Θ = min(N max, at the same time) ÷ W. The knee is the smallest pool "
            "that reaches nine tenths of the best throughput."
        ),
        x=_sizes(result),
        y=Axis(_("throughput Θ"), _("requests/s")),
        series=[*ways, law, *asked],
        marks=[Mark("x", result.knee.size, _("knee"))],
    )


def _sizes(result: SweepResult) -> Axis:
    sizes = [float(step.size) for step in result.pool.steps]
    return Axis(_("pool size"), _("connections"), low=0.0, high=sizes[-1], ticks=[0.0, *sizes])


def _points(steps: list[Step], name: str) -> list[Point]:
    return [Point(step.size, of.median, of.low, of.high) for step in steps if (of := getattr(step, name))]


def _line(result: SweepResult, concurrency: int, hold: float) -> list[Point]:
    """The law at each size, and where it bends."""
    bend, last = concurrency - result.overflow, result.pool.steps[-1].size
    sizes = sorted({step.size for step in result.pool.steps} | ({bend} if 0 < bend < last else set()))
    return [Point(size, little(min(size + result.overflow, concurrency), hold)) for size in sizes]


def _waits(result: SweepResult) -> Plot:
    pool, each_time = result.pool.steps, result.each_time
    series = [
        Series(_("pool, 95 %"), _points(pool, "wait_p95"), "app"),
        Series(_("pool, median"), _points(pool, "wait_p50"), "app"),
    ]
    if each_time is not None:
        series.append(Series(_("each time, 95 %"), _points(each_time.steps, "wait_p95"), "database"))
        series.append(Series(_("each time, median"), _points(each_time.steps, "wait_p50"), "database"))
    return Plot(
        name="pool-waits",
        title=_("Waiting for a connection"),
        caption=_("From asking to getting, on a logarithmic axis; connecting is part of it where there is no pool."),
        x=_sizes(result),
        y=Axis(_("wait"), "ms", log=True),
        series=series,
    )


def _over_time(result: SweepResult) -> Plot:
    knee = result.knee
    return Plot(
        name="pool-over-time",
        title=_("Connections in use, with a pool of %(size)s") % {"size": knee.size},
        caption=_("One reading at the knee, sampled every few milliseconds. What is above the line is N avail."),
        x=Axis(_("time"), "ms", low=0.0),
        y=Axis(_("in use"), _("connections"), low=0.0),
        series=[Series(_("in use"), [Point(one.at, one.checked_out) for one in knee.over_time], "app", "line")],
        marks=[Mark("y", knee.most, "N max")],
    )


class Explained(msgspec.Struct, frozen=True):
    """The knee in words, and the formulas with the values of the knee put in."""

    why: list[str]
    throughput: str
    law: str
    little: str
    available: str
    in_use: float
    most: int


def extra(run: SavedRun) -> dict[str, Any]:
    result: SweepResult = run.result
    knee = result.knee
    rate, busy = knee.throughput.median, min(knee.most, result.concurrency)
    return {
        "explained": Explained(
            why=why(result),
            throughput=throughput_of(knee),
            law=formulas.throughput_by_law(busy, result.hold, result.model(knee.size)),
            little=formulas.little(rate, knee.hold.median),
            available=formulas.available(max(knee.most - knee.peak, 0), knee.most),
            in_use=knee.in_use.median,
            most=knee.most,
        )
    }


def throughput_of(step: Step) -> str:
    """Θ with the requests and seconds of the round in the middle; empty for a run that did not keep them."""
    return formulas.throughput(step.finished, step.seconds, step.finished / step.seconds) if step.seconds else ""


def why(result: SweepResult) -> list[str]:
    """Why the knee is where it is, by what was measured there."""
    knee = result.knee
    told = {
        "size": knee.size,
        "most": knee.most,
        "concurrency": result.concurrency,
        "first": f"{result.hold:.1f}",
        "there": f"{knee.hold.median:.1f}",
        "share": f"{100 * knee.throughput.median / result.model(knee.size):.0f}",
        "in_use": f"{knee.in_use.median:.1f}",
    }
    lines = [_REASONS[result.bend] % told]
    if result.bend != "before" and knee.throughput.median < WELL_BELOW * result.model(knee.size):
        lines.append(_BELOW % told)
    return [str(line) for line in lines]


_REASONS = {
    "concurrency": gettext_lazy(
        "The knee is at %(size)s, where up to %(most)s connections serve %(concurrency)s requests at the same time: "
        "each has one of its own. Further connections have nobody to serve, and the line of the law is flat there too."
    ),
    "before": gettext_lazy(
        "The knee is at %(size)s, although %(concurrency)s requests ask. Something else was used up first: a request "
        "held its connection for %(there)s ms there, for %(first)s ms in the smallest pool, and %(in_use)s connections "
        "were in use on average. A larger pool moves the waiting from the line into the database and the event loop."
    ),
    "never": gettext_lazy(
        "Throughput still grows at the largest pool, %(size)s: the knee lies beyond. Measure larger pools, or fewer "
        "requests at the same time than %(concurrency)s."
    ),
}
_BELOW = gettext_lazy(
    "Yet only %(share)s %% of the dashed line arrives. That line keeps W of the smallest pool, %(first)s ms; here a "
    "request holds its connection for %(there)s ms. One event loop runs all requests, and some of them wait for their "
    "turn with a connection in hand."
)


WORKBENCH = Workbench(
    experiment=EXPERIMENT,
    result=SweepResult,
    section=2,
    title=gettext_lazy("Try it: find the knee"),
    text=gettext_lazy(
        "Pools of growing size get the same load on scratch data, in turns; beside them, a connection opened anew for "
        "each request, within the same bounds."
    ),
    form=SweepForm,
    question=gettext_lazy("Before you run it: from which size on does a larger pool bring nearly nothing?"),
    predictions=[
        ("before", gettext_lazy("before each request has a connection of its own")),
        ("concurrency", gettext_lazy("once there are as many connections as requests at the same time")),
        ("never", gettext_lazy("never: a larger pool is always faster")),
    ],
    verdict=verdict,
    figures=figures,
    plots=plots,
    what_if=WhatIfForm,
    what_if_initial=what_if_initial,
    x_label=gettext_lazy("pool size, connections"),
    y_label=gettext_lazy("throughput, requests/s"),
    seconds="10",
    sources=[
        ("qulab/lab/experiments/pool.py", "Load.request"),
        ("qulab/lab/experiments/pool.py", "lend_once"),
        ("qulab/lab/experiments/pool_sweep.py", "little"),
        ("qulab/lab/experiments/pool_sweep.py", "SweepResult.knee"),
        ("qulab/db/pool.py", "FairPool._do_get"),
        ("qulab/db/pool.py", "FairPool._give"),
    ],
    details="lab/benches/pool.html",
    extra=extra,
)
