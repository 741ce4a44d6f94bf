"""Section 2: what is shown of the pool is this process's own, and what is deleted is named before it goes."""

import msgspec
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.repositories import UserRepository
from accounts.snapshots import UserSnapshot
from assessments.services import lab_row_counts
from qulab.db.engine import get_database
from qulab.db.middleware import DatabaseRequest
from qulab.lab import pages, runs
from qulab.lab.demonstrations import pool as demonstrations
from qulab.lab.experiments import Busy
from qulab.lab.experiments import pool as experiment
from qulab.lab.forms import PoolForm
from qulab.lab.sections import section
from qulab.lab.views.common import CONFLICT, OK, UNPROCESSABLE, action, asked_run, to_run

NAMED = 8  # users that the confirm page names


@require_safe
async def page(request: DatabaseRequest) -> HttpResponse:
    return await _show(request)


@never_cache
@require_safe
async def state(request: DatabaseRequest) -> HttpResponse:
    return JsonResponse(msgspec.to_builtins(pages.pool_view(get_database())))


@action("pool")
async def load(request: DatabaseRequest) -> HttpResponse:
    form, database = PoolForm(request.POST), get_database()
    if not form.is_valid():
        return await _show(request, form, UNPROCESSABLE)
    parameters = msgspec.convert(form.cleaned_data, experiment.PoolParameters)
    try:
        result = await experiment.load_serving_pool(parameters, database)
    except Busy as busy:
        form.add_error(None, str(busy.__doc__))
        return await _show(request, form, CONFLICT)
    run_id = await runs.save(request.db, demonstrations.LOAD, result, database=database, parameters=parameters)
    return to_run("pool", run_id)


@require_http_methods(["GET", "HEAD", "POST"])
async def reset(request: DatabaseRequest) -> HttpResponse:
    """GET names what will be deleted and asks; POST does it."""
    if request.method != "POST":
        return await _confirm(request)
    result = await demonstrations.reset(request.db)
    return to_run("pool", await runs.save(request.db, demonstrations.RESET, result, database=get_database()))


async def _confirm(request: DatabaseRequest) -> HttpResponse:
    users = await UserRepository(request.db).recent(NAMED)
    context = {
        "section": section(2),
        "counts": await lab_row_counts(request.db),
        "users": [UserSnapshot.of(user) for user in users],
    }
    return render(request, "lab/reset.html", context)


@action("pool")
async def forget_await(request: DatabaseRequest) -> HttpResponse:
    result = await demonstrations.forget_await(request.db)
    return to_run("pool", await runs.save(request.db, demonstrations.AWAIT, result, database=get_database()))


async def _show(request: DatabaseRequest, form: PoolForm | None = None, status: int = 200) -> HttpResponse:
    if status != OK:
        await request.db.stop_writing()
    run, database = await asked_run(request, 2), get_database()
    context = {
        "section": section(2),
        "form": form or PoolForm(initial=run.parameters if run else None),
        "run": run,
        "settings": pages.pool_settings(database),
        **pages.pool_now(database),
        **(pages.pool_result(run.result) if run and run.kind == demonstrations.LOAD.name else {}),
    }
    return render(request, "lab/pool.html", context, status=status)
