"""Section 4: each button is one call of the cached repositories, for the demo user."""

from django.http import HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from qulab.cache.read_through import get_cache
from qulab.db.engine import get_database
from qulab.db.middleware import DatabaseRequest
from qulab.lab import cache_pages as pages
from qulab.lab import ownership, redis_keys, runs
from qulab.lab.bench_pages import bench_view
from qulab.lab.cache_what_if import WhatIf
from qulab.lab.cache_what_if import what_if as what_if_of
from qulab.lab.demo_users import cache_demo_user
from qulab.lab.demonstrations import cache as demonstrations
from qulab.lab.sections import section
from qulab.lab.views.common import OK, UNPROCESSABLE, action, asked_run, to_run


@require_safe
async def page(request: DatabaseRequest) -> HttpResponse:
    return await _show(request)


@action("cache")
async def fetch(request: DatabaseRequest, what: str) -> HttpResponse:
    database = get_database()
    user = await cache_demo_user(database)
    result = await demonstrations.fetch(database, get_cache(), user.id, what)
    return to_run("cache", await runs.save(request.db, demonstrations.FETCH, result, database=database))


@action("cache")
async def fetch_many(request: DatabaseRequest) -> HttpResponse:
    database = get_database()
    await cache_demo_user(database)  # so that there is someone to fetch
    result = await demonstrations.fetch_many(request.db, database, get_cache())
    return to_run("cache", await runs.save(request.db, demonstrations.FETCH_MANY, result, database=database))


@action("cache")
async def update(request: DatabaseRequest) -> HttpResponse:
    user = await cache_demo_user(get_database())
    result = await demonstrations.rename(request.db, get_cache(), user.id)
    return to_run("cache", await runs.save(request.db, demonstrations.CHANGE, result, database=get_database()))


@action("cache")
async def forget(request: DatabaseRequest) -> HttpResponse:
    database = get_database()
    user = await cache_demo_user(database)
    result = await demonstrations.forget(request.db, database, get_cache(), user.id)
    return to_run("cache", await runs.save(request.db, demonstrations.FORGET, result, database=database))


@action("cache")
async def invalidate(request: DatabaseRequest) -> HttpResponse:
    user = await cache_demo_user(get_database())
    result = await demonstrations.invalidate(get_cache(), user.id)
    return to_run("cache", await runs.save(request.db, demonstrations.CHANGE, result, database=get_database()))


@action("cache")
async def reset(request: DatabaseRequest) -> HttpResponse:
    result = demonstrations.reset_counters(get_cache())
    return to_run("cache", await runs.save(request.db, demonstrations.CHANGE, result, database=get_database()))


@require_safe
async def what_if(request: DatabaseRequest) -> HttpResponseBase:
    """T_avg with other values: alone where htmx puts it below its form, else with its page."""
    here = f"{reverse('lab:cache')}?{request.GET.urlencode()}"
    if "HX-Request" not in request.headers:
        return HttpResponseRedirect(f"{here}#what-if")
    run = await asked_run(request, 4)
    asked = _asked(request, run, pages.cache_metrics(get_cache().metrics))
    context = {"what_if": asked, "alone": True}
    response = render(request, "partials/cache_what_if_result.html", context, status=_status(asked))
    response["HX-Replace-Url"] = here
    return response


def _asked(request: DatabaseRequest, run: runs.SavedRun | None, counted: pages.Measured) -> WhatIf:
    """Beside what the shown run measured; where it measured no fetches, beside what this process counted."""
    return what_if_of(request.GET, pages.cache_result(run).get("measured") or counted)


def _status(asked: WhatIf) -> int:
    return UNPROCESSABLE if asked.is_refused else OK


async def _show(request: DatabaseRequest) -> HttpResponse:
    user, cache = await cache_demo_user(get_database()), get_cache()
    # Redis first: no connection of the database is held while it is asked.
    redis, entries = (
        await redis_keys.look(cache, veiled=not ownership.sees_all(request)),
        await demonstrations.user_entries(cache, user.id),
    )
    run, counted = await asked_run(request, 4), pages.cache_metrics(cache.metrics)
    asked = _asked(request, run, counted)
    context = {
        "section": section(4),
        "user": user,
        "run": run,
        "redis": redis,
        "entries": entries,
        "metrics": counted,
        "outcomes": cache.metrics.outcomes.items(),
        "what_if": asked,
        "bench": await bench_view(request, "cache-strategies", run=run),
        **pages.cache_result(run),
    }
    return render(request, "lab/cache.html", context, status=_status(asked))
