"""A run has an address of its own from the moment it is asked for; who asked for it may cancel it."""

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from qulab.access import limits
from qulab.cache.client import get_streams
from qulab.db.middleware import DatabaseRequest
from qulab.lab import bounds, comparison, ownership
from qulab.lab.bench_pages import bench_view, new_form, verdict_of
from qulab.lab.benches import BENCHES
from qulab.lab.learner import Learner, Outcome, learner_of, remember
from qulab.lab.runs import SavedRun, export, queue
from qulab.lab.sections import section
from qulab.lab.views.common import CONFLICT, FORBIDDEN, OK, TOO_MANY, UNAVAILABLE, UNPROCESSABLE
from qulab.lab.workbench import ExperimentForm, Workbench


async def start(request: DatabaseRequest, kind: str) -> HttpResponseBase:
    """Ask for a run; leads to its address. Who comes here by GET comes to the section."""
    workbench = BENCHES.get(kind)
    if workbench is None:
        raise Http404(_("There is no experiment %(name)s.") % {"name": kind})
    if request.method != "POST":
        return HttpResponseRedirect(reverse(section(workbench.section).url_name))
    form, learner = new_form(workbench, request.POST), learner_of(request)
    if not form.is_valid():
        return await _refused(request, workbench, form, UNPROCESSABLE)
    if (refusal := await bounds.count(request, bounds.RUNS)) is not None:
        form.add_error(None, refusal.limit.why)
        return limits.come_again(await _refused(request, workbench, form, TOO_MANY), refusal)
    try:
        run_id = await queue.ask_for(
            request.db,
            get_streams(),
            experiment=kind,
            parameters=form.parameters(),
            visitor=learner.id,
            network=bounds.network(request),
        )
    except (queue.UnderWay, queue.Crowded, queue.Full, queue.NotSent) as refused:
        form.add_error(None, _(str(refused.__doc__)))
        under_way = await _find(request, refused.run_id) if isinstance(refused, queue.UnderWay) else None
        return await _refused(request, workbench, form, STATUSES[type(refused)], under_way)
    response = _to_run(run_id)
    if form.cleaned_data["expected"]:
        learner = learner.predict(kind, Outcome.OPEN)
    remember(response, learner)
    return response


STATUSES = {queue.UnderWay: CONFLICT, queue.Crowded: TOO_MANY, queue.Full: TOO_MANY, queue.NotSent: UNAVAILABLE}


async def _refused(
    request: DatabaseRequest, workbench: Workbench, form: ExperimentForm, status: int, under_way: SavedRun | None = None
) -> HttpResponse:
    await request.db.stop_writing()
    shown = under_way if under_way is not None and under_way.kind == workbench.name else None
    view = await bench_view(request, workbench.name, form=form, run=shown)
    context = {"section": section(workbench.section), "bench": view, "under_way": under_way}
    return render(request, "lab/run.html", context, status=status)


@never_cache
@require_safe
async def page(request: DatabaseRequest, run_id: str) -> HttpResponseBase:
    run, learner = await _one(request, run_id), learner_of(request)
    if run.kind not in BENCHES:  # what a demonstration saved is shown by its section
        return HttpResponseRedirect(f"{reverse(section(run.section).url_name)}?run={run.id}#result")
    response = await _show(request, run)
    patch_vary_headers(response, ("HX-Request",))
    _judge(response, run, learner)
    _stay_in_section(request, response, run)
    return response


async def _show(request: DatabaseRequest, run: SavedRun, *, status: int = OK, problem: str = "") -> HttpResponse:
    view = await bench_view(request, run.kind, run=run, problem=problem)
    context = {"section": section(run.section), "run": run, "bench": view, "refresh": view.refresh}
    return render(request, "lab/run.html", context, status=UNPROCESSABLE if view.is_refused else status)


def _judge(response: HttpResponse, run: SavedRun, learner: Learner) -> None:
    """Note what became of an expectation, for the one who had it. To look at an older run again changes nothing."""
    waits = run.visitor == learner.id and learner.predictions.get(run.kind) == Outcome.OPEN
    verdict = verdict_of(BENCHES[run.kind], run) if run.is_done and waits else None
    if verdict is not None:
        remember(response, learner.predict(run.kind, Outcome.of(verdict.is_right)))


def _stay_in_section(request: DatabaseRequest, response: HttpResponse, run: SavedRun) -> None:
    """Where the section shows the run in its own page, its address there."""
    here = reverse(section(run.section).url_name)
    if request.headers.get("HX-Request") and here in request.headers.get("HX-Current-URL", ""):
        response["HX-Replace-Url"] = f"{here}?run={run.id}"


async def cancel(request: DatabaseRequest, run_id: str) -> HttpResponseBase:
    """End a run that is one's own; leads back to it."""
    if request.method != "POST":
        return _to_run(run_id)
    run = await _one(request, run_id)
    if run.visitor != learner_of(request).id:
        await request.db.stop_writing()
        context = {"title": _("This run is another visitor's"), "text": _("Only who started it can cancel it.")}
        return render(request, "lab/refused.html", context, status=FORBIDDEN)
    try:
        await queue.cancel(request.db, get_streams(), run_id)
    except (RedisError, OSError):
        await request.db.stop_writing()
        problem = _("The worker cannot be told: Redis, which carries the wish to cancel, does not answer.")
        return await _show(request, run, status=UNAVAILABLE, problem=problem)
    return _to_run(run_id)


def _to_run(run_id: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse('lab:run', args=[run_id])}#result")


@require_safe
async def as_json(request: DatabaseRequest, run_id: str) -> HttpResponse:
    """The whole run: parameters, result, raw samples, environment."""
    return _file(export.as_json(await _one(request, run_id)), "application/json", f"{run_id}.json")


@require_safe
async def as_csv(request: DatabaseRequest, run_id: str) -> HttpResponse:
    """The raw samples, a line each."""
    run = await _one(request, run_id)
    if run.kind not in BENCHES:
        raise Http404(_("Only experiments have raw samples; this was a demonstration."))
    return _file(export.as_csv(run, BENCHES[run.kind]), "text/csv; charset=utf-8", f"{run_id}.csv")


@require_safe
async def index(request: DatabaseRequest) -> HttpResponse:
    """The newest runs of one experiment or of all; `a` and `b` are chosen already."""
    kind = request.GET.get("kind", "")
    kinds = [kind] if kind in BENCHES else list(BENCHES)
    context = {
        "page": await export.listed(request.db, kinds, before=request.GET.get("before")),
        "visitor": learner_of(request).id,
        "benches": BENCHES.values(),
        "kind": kind if kind in BENCHES else "",
        **{name: request.GET.get(name, "") for name in ("a", "b")},
    }
    return render(request, "lab/runs.html", context)


@require_safe
async def compare(request: DatabaseRequest) -> HttpResponse:
    """Two runs of one experiment side by side."""
    a, b = [await _find(request, request.GET.get(name)) for name in ("a", "b")]
    if a is None or b is None:
        return _incomparable(request, _("Choose two runs that are there: one as A, one as B."))
    if a.kind != b.kind or a.kind not in BENCHES:
        return _incomparable(request, _("Choose two runs of the same experiment: other figures do not compare."))
    if not (a.is_done and b.is_done):
        return _incomparable(request, _("Choose two runs that are done: only these have figures."))
    workbench = BENCHES[a.kind]
    context = {"a": a, "b": b, "workbench": workbench, "compared": comparison.compare(workbench, a, b)}
    return render(request, "lab/compare.html", {"section": section(a.section), **context})


def _incomparable(request: DatabaseRequest, why: str) -> HttpResponse:
    context = {"title": _("These runs cannot be compared"), "text": why}
    return render(request, "lab/refused.html", context, status=UNPROCESSABLE)


def _file(content: str, kind: str, name: str) -> HttpResponse:
    return HttpResponse(content, content_type=kind, headers={"Content-Disposition": f'inline; filename="{name}"'})


async def _one(request: DatabaseRequest, run_id: str) -> SavedRun:
    run = await _find(request, run_id)
    if run is None:
        raise Http404(_("There is no run %(id)s. It may have been deleted.") % {"id": run_id})
    return run


async def _find(request: DatabaseRequest, run_id: str | None) -> SavedRun | None:
    return await ownership.find_run(request, run_id) if run_id else None
