"""Addresses people keep: `/lab/1` to `/lab/5` and `/lab/test`; a result is the section with `?run=<id>`."""

from django.urls import path, re_path

from qulab.access.needs import Need, guarded
from qulab.lab.views import (
    cache,
    introduction,
    learner,
    models,
    outbox,
    pool,
    queries,
    runs,
    search,
    simulation,
    sources,
    statements,
)
from qulab.lab.views.learner import visit

app_name = "lab"

home = introduction.home

urlpatterns = guarded(
    Need.LAB,
    [
        path("state", introduction.services, name="services"),
        path("checkpoint/<str:name>", learner.checkpoint, name="checkpoint"),
        path("search", search.results, name="search"),
        path("glossary", search.words, name="glossary"),
        path("forget", learner.forget, name="forget"),
        path("explain", statements.page, name="explain"),
        path("source/<path:path>", sources.page, name="source"),
        path("1", visit(1, models.page), name="models"),
        path("1/users", models.create_user, name="create-user"),
        re_path(r"^1/try/(?P<what>duplicate|orphan|cascade)$", models.attempt, name="try"),
        path("2", visit(2, pool.page), name="pool"),
        path("2/reset", pool.reset, name="reset"),
        path("2/await", pool.forget_await, name="await"),
        path("3", visit(3, queries.page), name="queries"),
        path("3/scores", queries.add_scores, name="add-scores"),
        re_path(r"^3/fetch/(?P<how>lazy|eager)$", queries.fetch, name="fetch"),
        path("4", visit(4, cache.page), name="cache"),
        re_path(r"^4/fetch/(?P<what>user|score)$", cache.fetch, name="cache-fetch"),
        path("4/fetch-many", cache.fetch_many, name="cache-fetch-many"),
        path("4/update", cache.update, name="cache-update"),
        path("4/forget", cache.forget, name="cache-forget"),
        path("4/what-if", cache.what_if, name="cache-what-if"),
        path("4/invalidate", cache.invalidate, name="cache-invalidate"),
        path("4/reset", cache.reset, name="cache-reset"),
        path("runs/", runs.index, name="runs"),
        path("runs/start/<slug:kind>", runs.start, name="start"),
        path("runs/<str:run_id>.json", runs.as_json, name="run-json"),
        path("runs/<str:run_id>.csv", runs.as_csv, name="run-csv"),
        path("runs/<str:run_id>/cancel", runs.cancel, name="cancel"),
        path("runs/<str:run_id>", runs.page, name="run"),
        path("compare", runs.compare, name="compare-runs"),
        path("test", simulation.page, name="test"),
        path("5", visit(5, outbox.page), name="outbox"),
        path("5/scores", outbox.store_score, name="store-score"),
        re_path(r"^5/publisher/(?P<to>start|stop)$", outbox.switch, name="publisher"),
        re_path(r"^5/crash/(?P<where>commit|publish)$", outbox.crash, name="crash"),
        path("5/tables", outbox.tables, name="outbox-tables"),
        path("5/events/<str:event_id>", outbox.event, name="event"),
    ],
)
