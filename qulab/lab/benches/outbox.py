"""Section 5: the latency of single events and the rates of many stand side by side; neither follows from the other."""

from typing import Any

import msgspec
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from qulab.lab import charts
from qulab.lab.experiments.outbox import EXPERIMENT, OutboxResult, Round
from qulab.lab.forms import NumberField
from qulab.lab.measure import Spread
from qulab.lab.plots import Axis, Bar, Bars, Mark, Plot, Point, Series
from qulab.lab.runs import SavedRun
from qulab.lab.workbench import ExperimentForm, Figure, WhatIf, Workbench

FIXED = {"timed": 40, "rate": 40, "seconds": 30}  # of a page's run
WOKEN, QUICK = 20.0, 200.0  # milliseconds: bounds of the predictions


class OutboxForm(ExperimentForm):
    events = NumberField(
        least=1, most=5000, initial=1000, label=gettext_lazy("Events"), help_text=gettext_lazy("1–5000 in each round")
    )
    per_commit = NumberField(
        least=1, most=100, initial=10, label=gettext_lazy("In one commit"), help_text=gettext_lazy("1–100 events")
    )
    repeats = NumberField(least=1, most=5, initial=3, label=gettext_lazy("Rounds"), help_text="1–5")

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), **FIXED}


def verdict(result: OutboxResult) -> str:
    """By the median latency; none where no event was timed."""
    if result.p50 is None:
        return ""
    return "woken" if result.p50.median < WOKEN else "quick" if result.p50.median < QUICK else "tick"


def figures(result: OutboxResult) -> list[Figure]:
    latencies = [
        (_("To the consumer, median"), result.p50),
        (_("To the consumer, 95 %"), result.p95),
        (_("To the consumer, 99 %"), result.p99),
    ]
    return [
        *(Figure.of(name, one, "ms", better="lower") for name, one in latencies if one is not None),
        Figure.of(_("Written"), result.writing, "/s", better="higher"),
        Figure.of(_("Drained"), result.draining, "/s", better="higher"),
        Figure.of(_("SQL for a batch"), result.statements_per_batch, better="lower"),
        Figure.of(_("Redis for a batch"), result.commands_per_batch, better="lower"),
    ]


def plots(result: OutboxResult, _what_if: WhatIf) -> list[Plot | Bars]:
    timed = [one.latencies for one in result.rounds if one.latencies]
    rates = Bars(
        name="rates",
        title=_("Many events: written, and drained"),
        caption=_("Events a second with one relay. Medians of the rounds; the whiskers span lowest to highest."),
        unit="/s",
        bars=[_rate(_("written"), result.writing, "database"), _rate(_("drained"), result.draining, "event")],
    )
    return [_latencies(timed, result.p95), rates] if timed and result.p95 else [rates]


def _latencies(timed: list[list[float]], p95: Spread) -> Plot:
    return Plot(
        name="latencies",
        title=_("Single events: from COMMIT to the consumer"),
        caption=_("Each event of each round, the quickest first: so many of them took no longer than that."),
        x=Axis(label=_("events"), unit="%", low=0, high=100),
        y=Axis(label=_("latency"), unit="ms", low=0),
        series=[
            Series(
                name=_("round %(number)d") % {"number": number},
                points=[Point(x=100 * (i + 1) / len(one), y=value) for i, value in enumerate(sorted(one))],
                colour="event",
                kind="line",
                second=number > 1,
            )
            for number, one in enumerate(timed, start=1)
        ],
        marks=[Mark(axis="y", at=p95.median, label=_("95 %% within %(ms).1f ms") % {"ms": p95.median})],
    )


def _rate(label: str, one: Spread, colour: Any) -> Bar:
    return Bar(label=label, value=one.median, low=one.low, high=one.high, colour=colour)


class Call(msgspec.Struct, frozen=True):
    """What a drain sent, of one kind: to the database or to Redis, and how often."""

    to: str
    count: int
    text: str
    short: str


def extra(run: SavedRun) -> dict[str, Any]:
    last: Round = run.result.rounds[-1]
    calls = [Call("SQL", one.count, one.sql, charts.abbreviated(one.sql)) for one in last.groups]
    commands = sorted(last.commands.items(), key=lambda one: -one[1])
    calls += [Call("Redis", count, name, name) for name, count in commands]
    return {"calls": calls, "last": last, "timed": sum(len(one.latencies) for one in run.result.rounds)}


WORKBENCH = Workbench(
    experiment=EXPERIMENT,
    result=OutboxResult,
    section=5,
    title=gettext_lazy("Try it: how fast is an outbox?"),
    text=gettext_lazy(
        "Events are written by the service's own call, drained by the relay's own code, and read as a consumer reads, "
        "in a database and a Redis database of their own."
    ),
    form=OutboxForm,
    question=gettext_lazy("Before you run it: how long until a consumer has the median event, from its COMMIT?"),
    predictions=[
        ("woken", gettext_lazy("less than 20 ms: the commit wakes the relay")),
        ("quick", gettext_lazy("20 to 200 ms: two systems have to agree")),
        ("tick", gettext_lazy("longer: it waits for the next tick")),
    ],
    verdict=verdict,
    figures=figures,
    plots=plots,
    x_label=gettext_lazy("timed events read so far"),
    y_label=gettext_lazy("from COMMIT to consumer, ms"),
    seconds="6",
    sources=[("qulab/lab/experiments/outbox.py", "_round"), ("outbox/relay.py", "Relay")],
    details="lab/benches/outbox.html",
    extra=extra,
)
