"""Section 4: each button is one call of the cached repositories, for the demo user."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from qulab.cache.read_through import get_cache
from qulab.db.engine import get_database
from qulab.db.middleware import DatabaseRequest
from qulab.lab import cache_pages as pages
from qulab.lab import redis_keys, runs
from qulab.lab.demo_users import cache_demo_user
from qulab.lab.demonstrations import cache as demonstrations
from qulab.lab.experiments import Busy
from qulab.lab.forms import StrategiesForm
from qulab.lab.sections import section
from qulab.lab.views.common import CONFLICT, OK, UNAVAILABLE, UNPROCESSABLE, action, asked_run, to_run


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
async def strategies(request: DatabaseRequest) -> HttpResponse:
    form, database = StrategiesForm(request.POST), get_database()
    if not form.is_valid():
        return await _show(request, form, UNPROCESSABLE)
    try:
        result = await demonstrations.compare_strategies(database, **form.cleaned_data)
    except Busy as busy:
        form.add_error(None, str(busy.__doc__))
        return await _show(request, form, CONFLICT)
    except RedisError:
        form.add_error(None, _("Redis does not answer, and without it there is no strategy to compare."))
        return await _show(request, form, UNAVAILABLE)
    told = form.cleaned_data
    return to_run(
        "cache", await runs.save(request.db, demonstrations.STRATEGIES, result, database=database, parameters=told)
    )


@action("cache")
async def invalidate(request: DatabaseRequest) -> HttpResponse:
    user = await cache_demo_user(get_database())
    result = await demonstrations.invalidate(get_cache(), user.id)
    return to_run("cache", await runs.save(request.db, demonstrations.CHANGE, result, database=get_database()))


@action("cache")
async def reset(request: DatabaseRequest) -> HttpResponse:
    result = demonstrations.reset_counters(get_cache())
    return to_run("cache", await runs.save(request.db, demonstrations.CHANGE, result, database=get_database()))


async def _show(request: DatabaseRequest, form: StrategiesForm | None = None, status: int = OK) -> HttpResponse:
    if status != OK:
        await request.db.stop_writing()
    user, cache = await cache_demo_user(get_database()), get_cache()
    # Redis first: no connection of the database is held while it is asked.
    redis, entries = await redis_keys.look(cache), await demonstrations.user_entries(cache, user.id)
    run = await asked_run(request, 4)
    context = {
        "section": section(4),
        "user": user,
        "form": form or StrategiesForm(initial=run.parameters if run else None),
        "run": run,
        "redis": redis,
        "entries": entries,
        "metrics": pages.cache_metrics(cache.metrics),
        "outcomes": cache.metrics.outcomes.items(),
        **pages.cache_result(run),
    }
    return render(request, "lab/cache.html", context, status=status)
