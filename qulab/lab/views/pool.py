"""Section 2: what is shown of the pool is this process's own, and what is deleted is named before it goes."""

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.repositories import UserRepository
from accounts.snapshots import UserSnapshot
from assessments.services import lab_row_counts
from qulab.db.engine import get_database
from qulab.db.middleware import DatabaseRequest
from qulab.lab import ownership, pages, runs
from qulab.lab.bench_pages import bench_view
from qulab.lab.demonstrations import pool as demonstrations
from qulab.lab.sections import section
from qulab.lab.views.common import action, asked_run, to_run

NAMED = 8  # users that the confirm page names


@require_http_methods(["GET", "HEAD", "POST"])
@ownership.needs_own_database(2)
async def reset(request: DatabaseRequest) -> HttpResponseBase:
    """GET names what will be deleted and asks; POST does it."""
    if request.method != "POST":
        return await _confirm(request)
    return await _reset(request)


@action("pool")
async def _reset(request: DatabaseRequest) -> HttpResponseBase:
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


@require_safe
async def page(request: DatabaseRequest) -> HttpResponse:
    run, database = await asked_run(request, 2), get_database()
    context = {
        "section": section(2),
        "run": run,
        "settings": pages.pool_settings(database),
        "slip": demonstrations.SLIP,
        "mypy": demonstrations.MYPY_SAYS,
        "owned": ownership.owns_rows(),
        "bench": await bench_view(request, "pool-sweep", run=run),
        **pages.pool_now(database),
    }
    return render(request, "lab/pool.html", context)
