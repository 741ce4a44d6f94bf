"""Section 5: what is pending and published is read from the tables, and the switch is the relay's own stored flag."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from assessments.forms import ScoreForm
from outbox import selectors
from qulab.db.engine import Database, get_database
from qulab.db.errors import NotFound
from qulab.db.middleware import DatabaseRequest
from qulab.lab import outbox_pages as pages
from qulab.lab import ownership, redis_keys, runs
from qulab.lab.bench_pages import bench_view
from qulab.lab.crashes import seams
from qulab.lab.crashes.parent import Crashing, NothingCrashed
from qulab.lab.demo_users import event_demo_user
from qulab.lab.demonstrations import outbox as demonstrations
from qulab.lab.live.hubs import hubs
from qulab.lab.sections import section
from qulab.lab.views.common import CONFLICT, OK, UNAVAILABLE, UNPROCESSABLE, action, asked_run, to_run


@require_safe
async def page(request: DatabaseRequest) -> HttpResponse:
    return await _show(request)


@action("outbox")
async def store_score(request: DatabaseRequest) -> HttpResponse:
    form, database = ScoreForm(request.POST), get_database()
    if form.is_valid() and not await ownership.may_use(request.db, form.cleaned_data["user_id"]):
        form.add_error("user_id", ownership.not_yours_to_use())
    if not form.is_valid():
        return await _show(request, form, UNPROCESSABLE)
    try:
        result = await demonstrations.store_score(request.db, database, **form.cleaned_data)
    except NotFound:
        form.add_error("user_id", _("No user has this id. Copy one from section 1."))
        return await _show(request, form, UNPROCESSABLE)
    hubs.get().outbox_stirs.set()  # who looks at the lanes sees it wait
    return to_run("outbox", await _save(request, result, form.cleaned_data))


@action("outbox")
@ownership.needs_own_database(5)
async def switch(request: DatabaseRequest, to: str) -> HttpResponse:
    result = await demonstrations.switch(request.db, publishing=to == "start")
    return to_run("outbox", await runs.save(request.db, demonstrations.SWITCH, result, database=get_database()))


CRASHES: Mapping[str, tuple[runs.Kind[Any], Callable[[Database], Awaitable[Any]]]] = {
    "commit": (seams.BEFORE, seams.before_commit),
    "publish": (seams.AFTER, seams.after_publish),
}
STATUSES = {Crashing: CONFLICT, seams.Stopped: CONFLICT, NothingCrashed: UNAVAILABLE}


@action("outbox")
@ownership.needs_own_database(5)
async def crash(request: DatabaseRequest, where: str) -> HttpResponse:
    kind, happen = CRASHES[where]
    try:
        result = await happen(get_database())
    except (Crashing, seams.Stopped, NothingCrashed) as refused:
        return await _show(request, status=STATUSES[type(refused)], problem=_(str(refused.__doc__)))
    except RedisError:
        problem = _("Redis does not answer, so a relay cannot publish, and has nothing to die after.")
        return await _show(request, status=UNAVAILABLE, problem=problem)
    return to_run("outbox", await runs.save(request.db, kind, result, database=get_database()))


@never_cache
@require_safe
async def tables(request: DatabaseRequest) -> HttpResponse:
    """The tables alone, for the part of the page that renews itself."""
    activity = await pages.activity_view()  # Redis first: no connection is held while it is asked
    lanes = await pages.outbox_tables(request.db, of_all=ownership.sees_all(request))
    return render(request, "partials/outbox_tables.html", {**activity, **lanes})


@require_safe
async def event(request: DatabaseRequest, event_id: str) -> HttpResponse:
    nothing = Http404(_("There is no event %(id)s. It may have been deleted.") % {"id": event_id})
    try:
        found = await selectors.event(request.db, event_id)
    except NotFound as missing:
        raise nothing from missing
    if not (ownership.sees_all(request) or await ownership.is_about_own(request.db, found.aggregate_id)):
        raise nothing
    context = {"section": section(5), "event": found, **await pages.lifecycle(request.db, found)}
    return render(request, "lab/event.html", context)


async def _save(request: DatabaseRequest, result: demonstrations.StoredScore, parameters: dict[str, Any]) -> str:
    return await runs.save(request.db, demonstrations.STORE, result, database=get_database(), parameters=parameters)


async def _show(
    request: DatabaseRequest,
    form: ScoreForm | None = None,
    status: int = 200,
    *,
    problem: str = "",
) -> HttpResponse:
    if status != OK:
        await request.db.stop_writing()
    user = await event_demo_user(get_database())
    activity = await pages.activity_view()  # Redis first: no connection is held while it is asked
    run = await asked_run(request, 5)
    initial = {"user_id": user.id, "occupation_code": user.occupation_code, **(run.parameters if run else {})}
    context = {
        "section": section(5),
        "form": form or ScoreForm(initial=initial),
        "problem": problem,
        "interval": settings.RELAY_INTERVAL,
        "owned": ownership.owns_rows(),
        "run": run,
        "bench": await bench_view(request, "outbox-speed", run=run),
        **pages.outbox_result(run),
        "redis_address": redis_keys.address(),
        **activity,
        **await pages.outbox_tables(request.db, of_all=ownership.sees_all(request)),
    }
    return render(request, "lab/outbox.html", context, status=status)
