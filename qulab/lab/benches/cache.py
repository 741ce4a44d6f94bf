"""Section 4: what hit ratio hides is shown first, as shares of what was read and of what was acknowledged."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from qulab.lab.experiments.cache_contest import EXPERIMENT
from qulab.lab.experiments.cache_pairs import ContestResult, Pair
from qulab.lab.experiments.cache_patterns import PATTERNS
from qulab.lab.experiments.cache_strategies import STRATEGIES
from qulab.lab.forms import NumberField
from qulab.lab.plots import Bar, Bars, Plot
from qulab.lab.runs import SavedRun
from qulab.lab.workbench import ExperimentForm, Figure, WhatIf, Workbench

USERS = 20  # of a page's run: few, so that they meet
NONE = "none"  # the prediction that no strategy loses anything


class StrategiesForm(ExperimentForm):
    operations = NumberField(
        least=10, most=200, initial=80, label=gettext_lazy("Operations"), help_text=gettext_lazy("10–200 for each pair")
    )
    concurrency = NumberField(least=1, most=16, initial=8, label=gettext_lazy("At the same time"), help_text="1–16")
    repeats = NumberField(least=1, most=3, initial=2, label=gettext_lazy("Rounds"), help_text="1–3")
    kills = NumberField(
        least=1, most=3, initial=1, label=gettext_lazy("Writers to kill"), help_text=gettext_lazy("1–3 for each pair")
    )
    period_ms = NumberField(
        least=5, most=500, initial=50, label=gettext_lazy("Period, ms"), help_text=gettext_lazy("5–500: flush, refresh")
    )

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "users": USERS}


class Share(msgspec.Struct, frozen=True):
    """So many of so many, over all patterns of one strategy."""

    strategy: str
    count: int
    of: int

    @property
    def percent(self) -> float:
        return 100 * self.count / self.of if self.of else 0.0


def stale(result: ContestResult) -> list[Share]:
    """Of all reads."""
    return _shares(result, lambda one: (one.stale, one.reads))


def lost(result: ContestResult) -> list[Share]:
    """Of all writes that were acknowledged by a writer that was then killed."""
    return _shares(result, lambda one: (one.lost or 0, one.acknowledged))


def _shares(result: ContestResult, counted: Callable[[Pair], tuple[int, int]]) -> list[Share]:
    return [
        Share(name, *map(sum, zip(*(counted(one) for one in result.pairs if one.strategy == name), strict=True)))
        for name in STRATEGIES
    ]


def verdict(result: ContestResult) -> str:
    """Who lost most; of two that lost as many, the one that lost the larger share, then the first in the table."""
    most = max(lost(result), key=lambda one: (one.count, one.percent))
    return most.strategy if most.count else NONE


def figures(result: ContestResult) -> list[Figure]:
    told = _("%(count)s of %(of)s")
    return [
        Figure(
            name=f"{one.strategy}: {what}",
            value=one.percent,
            unit="%",
            text=told % {"count": one.count, "of": one.of},
            better="lower",
        )
        for what, shares in ((_("stale reads"), stale(result)), (_("lost writes"), lost(result)))
        for one in shares
    ]


def plots(result: ContestResult, _what_if: WhatIf) -> list[Plot | Bars]:
    return [
        Bars(
            name="stale",
            title=_("Stale reads"),
            caption=_("Of all reads: those that began after a newer version was acknowledged, and got an older one."),
            unit="%",
            bars=_bars(stale(result), "cache"),
        ),
        Bars(
            name="lost",
            title=_("Lost writes"),
            caption=_("Of the writes that killed writers had acknowledged: those that no database has."),
            unit="%",
            bars=_bars(lost(result), "bad"),
        ),
        Bars(
            name="p99",
            title=_("Read p99, by pattern and strategy"),
            caption=_(
                "One read in a hundred takes longer. Medians of the rounds; the whiskers span lowest to highest."
            ),
            unit="ms",
            bars=[
                Bar(
                    label=f"{one.pattern}: {one.strategy}",
                    value=one.read_p99.median,
                    low=one.read_p99.low,
                    high=one.read_p99.high,
                )
                for one in result.pairs
            ],
        ),
    ]


def _bars(shares: Sequence[Share], colour: Any) -> list[Bar]:
    told = _("%(percent).1f %% · %(count)s of %(of)s")
    return [
        Bar(
            label=one.strategy,
            value=one.percent,
            colour=colour,
            text=told % {"percent": one.percent, "count": one.count, "of": one.of},
        )
        for one in shares
    ]


class PatternView(msgspec.Struct, frozen=True):
    """One pattern with what each strategy came to."""

    name: str
    text: str
    pairs: list[Pair]


def patterns(result: ContestResult) -> list[PatternView]:
    told = {
        "read-heavy": _("95 % reads; few users are asked for often, most seldom"),
        "write-heavy": _("as many writes as reads, of the same users"),
        "hot key": _("nine of ten operations are about one user, one of ten writes"),
        "scan": _("each user once, and nobody writes"),
    }
    return [PatternView(name, told[name], [one for one in result.pairs if one.pattern == name]) for name in PATTERNS]


def extra(run: SavedRun) -> dict[str, Any]:
    return {"patterns": patterns(run.result)}


WORKBENCH = Workbench(
    experiment=EXPERIMENT,
    result=ContestResult,
    section=4,
    title=gettext_lazy("Try it: five strategies, four patterns"),
    text=gettext_lazy(
        "The same reads and writes, seeded, go through each strategy, on rows and in a Redis database of their own. "
        "Then processes write by each strategy until SIGKILL ends them, and the database is asked what it has."
    ),
    form=StrategiesForm,
    question=gettext_lazy("Before you run it: which strategy loses most of the writes that it had acknowledged?"),
    predictions=[*((name, name) for name in STRATEGIES), (NONE, gettext_lazy("none loses any"))],
    verdict=verdict,
    figures=figures,
    plots=plots,
    x_label=gettext_lazy("reads so far"),
    y_label=gettext_lazy("stale reads so far"),
    seconds="15",
    sources=[
        ("qulab/lab/experiments/cache_strategies.py", "CacheAside"),
        ("qulab/lab/experiments/cache_strategies.py", "WriteThrough"),
        ("qulab/lab/experiments/cache_strategies.py", "WriteBehind"),
        ("qulab/lab/experiments/cache_strategies.py", "RefreshAhead"),
        ("qulab/lab/experiments/cache_kills.py", "Writers"),
    ],
    details="lab/benches/cache.html",
    extra=extra,
)
