"""A workbench as a page shows it: its form, and of one run what is known at this moment."""

from collections.abc import Mapping
from typing import Any

import msgspec
from django import forms
from django.http import QueryDict
from redis.exceptions import RedisError

from qulab.cache import heartbeat
from qulab.cache.client import get_streams
from qulab.db.base import utcnow
from qulab.db.engine import get_database
from qulab.db.middleware import DatabaseRequest
from qulab.lab.benches import BENCHES
from qulab.lab.learner import learner_of
from qulab.lab.plots import Bars, Plot
from qulab.lab.runs import SavedRun
from qulab.lab.runs.places import Place, at_hand
from qulab.lab.runs.progress import Progress, last_word
from qulab.lab.runs.queue import why_lost
from qulab.lab.workbench import ExperimentForm, Figure, Workbench

HIDDEN = ("expected", "database")  # parameters that are shown in words of their own


class Verdict(msgspec.Struct, frozen=True):
    """What was expected and what was measured, in the words of the predictions."""

    expected: str
    right: str
    is_right: bool


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """`progress` is None where the run said nothing; `lost` why nobody works on it; `unheard`: no worker is heard."""

    run: SavedRun
    mine: bool
    place: str
    parameters: dict[str, Any]
    progress: Progress | None = None
    lost: str | None = None
    unheard: bool = False
    redis_is_away: bool = False
    problem: str = ""
    verdict: Verdict | None = None
    figures: list[Figure] = []
    plots: list[Plot | Bars] = []
    what_if: Any = None
    extra: dict[str, Any] = {}


class BenchView(msgspec.Struct, frozen=True, kw_only=True):
    workbench: Workbench
    form: Any
    shown: RunView | None = None

    @property
    def is_refused(self) -> bool:
        """Whether the what-if was asked with values out of bounds."""
        return self.shown is not None and self.shown.what_if is not None and bool(self.shown.what_if.errors)

    @property
    def refresh(self) -> bool:
        """Whether the page has to be asked for again, where there is no JavaScript."""
        return self.shown is not None and self.shown.run.is_under_way and not self.shown.lost


async def bench_view(
    request: DatabaseRequest,
    name: str,
    *,
    run: SavedRun | None = None,
    form: ExperimentForm | None = None,
    problem: str = "",
) -> BenchView:
    """`run` is shown where it is one of this workbench, with a `problem` that came up with it.

    The what-if's values are in the query of the address.
    """
    workbench = BENCHES[name]
    found = run if run is not None and run.kind == name else None
    return BenchView(
        workbench=workbench,
        form=form or new_form(workbench, initial=found.parameters if found else None),
        shown=await _run_view(workbench, found, request, problem) if found else None,
    )


def new_form(
    workbench: Workbench, data: Mapping[str, Any] | None = None, *, initial: dict[str, Any] | None = None
) -> ExperimentForm:
    return workbench.form(workbench, at_hand(get_database()), data, initial=initial)


async def _run_view(workbench: Workbench, run: SavedRun, request: DatabaseRequest, problem: str) -> RunView:
    view = RunView(
        run=run,
        problem=problem,
        mine=run.visitor == learner_of(request).id,
        place=Place(run.parameters["database"]).label if "database" in run.parameters else "",
        parameters={name: value for name, value in run.parameters.items() if name not in HIDDEN},
    )
    if run.is_under_way:
        await request.db.rollback()  # no connection is held while Redis is asked
        return await _under_way(view)
    if not run.is_done:
        return view
    what_if = _what_if(workbench, run, request.GET)
    values = what_if.cleaned_data if what_if is not None and what_if.is_bound and what_if.is_valid() else {}
    return msgspec.structs.replace(
        view,
        verdict=verdict_of(workbench, run),
        figures=workbench.figures(run.result),
        plots=workbench.plots(run.result, values),
        what_if=what_if,
        extra=workbench.extra(run) if workbench.extra else {},  # noqa: S610 - no QuerySet
    )


async def _under_way(view: RunView) -> RunView:
    try:
        progress = await last_word(get_streams(), view.run.id)
        ages = await heartbeat.ages(get_streams())
    except (RedisError, OSError):
        return msgspec.structs.replace(view, redis_is_away=True)
    return msgspec.structs.replace(
        view,
        progress=progress,
        lost=why_lost(view.run.status, view.run.at, view.run.started_at, utcnow(), speaks=progress is not None),
        unheard=ages["worker-lab"] is None,
    )


def verdict_of(workbench: Workbench, run: SavedRun) -> Verdict | None:
    """None where nothing was expected."""
    expected, right = str(run.parameters.get("expected") or ""), workbench.verdict(run.result)
    if not expected:
        return None
    return Verdict(workbench.prediction(expected), workbench.prediction(right), expected == right)


def _what_if(workbench: Workbench, run: SavedRun, asked: QueryDict) -> forms.Form | None:
    if workbench.what_if is None:
        return None
    initial = workbench.what_if_initial(run.result) if workbench.what_if_initial else None
    given = asked if any(name in asked for name in workbench.what_if.base_fields) else None
    return workbench.what_if(given, initial=initial)
