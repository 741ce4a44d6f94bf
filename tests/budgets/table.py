"""How many statements each address of the project may send: exactly so many, with ten rows and with a hundred.

An address is written with the keys of `Project.keys`. `first` is a form that is sent before, unmeasured: what it
redirects to is the address then, so that a page is asked for with a result on it.
"""

from typing import NamedTuple

Fields = dict[str, str]


class Case(NamedTuple):
    address: str
    statements: int
    method: str = "GET"
    fields: Fields = {}
    status: int = 200
    first: tuple[str, Fields] | None = None
    lists: bool = False  # a list of rows: held to MOST_OF_A_LIST
    more_on_postgresql: int = 0  # it locks the table, or makes and drops the schema of an experiment
    more_with_a_hundred: int = 0  # only the experiment on a cold cache, which reads each user that it is asked for


MOST_OF_A_LIST = 3


def post(address: str, statements: int, fields: Fields | None = None, status: int = 302) -> Case:
    return Case(address, statements, "POST", fields or {}, status)


def only_post(address: str) -> Case:
    """Who comes here by GET is led to the section."""
    return Case(address, 0, status=302)


def result_of(address: str, statements: int, fields: Fields | None = None) -> Case:
    return Case("", statements, first=(address, fields or {}))


def listed(address: str, statements: int) -> Case:
    return Case(address, statements, lists=True)


NEW_USER = {"email": "new{rows}@example.com", "name": "New"}
SCORE = {"user_id": "{user}", "occupation_code": "15-1252", "fluency": "1.2", "domain": "0.4", "adaptive": "-0.3"}
COMPARE = {"users": "3", "scores_per_user": "2", "repeats": "1", "database": "sqlite"}
EDITED = {"opened": "{opened}", "name": "Changed", "email": "changed{rows}@example.com"}
MENDED = {"status": "completed", "component": "fluency"}
CHOSEN = {"user_id": "{user}"}

BUDGETS: dict[str, list[Case]] = {
    "": [Case("/", 1)],
    "live": [Case("/live?topics=pool,outbox", 0), Case("/live?topics=nothing", 0, status=400)],
    "healthz": [Case("/healthz", 0)],
    "readyz": [Case("/readyz", 1, status=503)],
    "metrics": [Case("/metrics", 1)],
    # --- The lab ---
    "lab/state": [Case("/lab/state", 1)],
    "lab/search": [Case("/lab/search", 0), Case("/lab/search?q=pool", 0)],
    "lab/glossary": [Case("/lab/glossary", 0)],
    "lab/forget": [Case("/lab/forget", 0, status=302), post("/lab/forget", 0)],
    "lab/checkpoint/<str:name>": [
        only_post("/lab/checkpoint/pool"),
        post("/lab/checkpoint/pool", 0, {"choice": "1500"}),
        post("/lab/checkpoint/pool", 0, {}, 422),
        Case("/lab/checkpoint/nothing", 0, status=404),
    ],
    "lab/explain": [
        Case("/lab/explain?statement={logged}", 1)._replace(more_on_postgresql=2),
        Case("/lab/explain?statement=SELECT+1", 0, status=400),
    ],
    "lab/source/<path:path>": [
        Case("/lab/source/accounts/models.py", 0),
        Case("/lab/source/manage.py", 0, status=404),
    ],
    "lab/1": [listed("/lab/1", 3), result_of("/lab/1/users", 4, NEW_USER), result_of("/lab/1/try/cascade", 4, CHOSEN)],
    "lab/1/users": [
        only_post("/lab/1/users"),
        post("/lab/1/users", 3, NEW_USER),
        post("/lab/1/users", 3, {"email": "", "name": ""}, 422),
        post("/lab/1/users", 4, {"email": "user0000@example.com", "name": "Taken"}, 422),
    ],
    "lab/1/try/(?P<what>duplicate|orphan|cascade)": [
        only_post("/lab/1/try/orphan"),
        post("/lab/1/try/orphan", 4),
        post("/lab/1/try/duplicate", 5, CHOSEN),
        post("/lab/1/try/cascade", 7, CHOSEN),
        post("/lab/1/try/cascade", 4, {"user_id": "nobody"}, 422),
    ],
    "lab/2": [Case("/lab/2", 0), result_of("/lab/2/await", 1)],
    "lab/2/reset": [Case("/lab/2/reset", 2), post("/lab/2/reset", 12)._replace(more_on_postgresql=1)],
    "lab/2/await": [only_post("/lab/2/await"), post("/lab/2/await", 2)],
    "lab/3": [
        listed("/lab/3", 1),
        result_of("/lab/3/fetch/eager", 2, CHOSEN),
    ],
    "lab/3/scores": [
        only_post("/lab/3/scores"),
        post("/lab/3/scores", 9, CHOSEN),
        post("/lab/3/scores", 2, {"user_id": "nobody"}, 422),
    ],
    "lab/3/fetch/(?P<how>lazy|eager)": [
        only_post("/lab/3/fetch/lazy"),
        post("/lab/3/fetch/lazy", 3, CHOSEN),
        post("/lab/3/fetch/eager", 3, CHOSEN),
    ],
    "lab/4": [Case("/lab/4", 2), Case("/lab/4?ratio=2", 2, status=422), result_of("/lab/4/fetch-many", 3)],
    "lab/4/fetch/(?P<what>user|score)": [
        only_post("/lab/4/fetch/user"),
        post("/lab/4/fetch/user", 4),
        post("/lab/4/fetch/score", 4),
    ],
    "lab/4/fetch-many": [
        only_post("/lab/4/fetch-many"),
        post("/lab/4/fetch-many", 16)._replace(more_with_a_hundred=72),
    ],
    "lab/4/update": [only_post("/lab/4/update"), post("/lab/4/update", 7)],
    "lab/4/forget": [only_post("/lab/4/forget"), post("/lab/4/forget", 6)],
    "lab/4/what-if": [Case("/lab/4/what-if", 0, status=302)],
    "lab/4/invalidate": [only_post("/lab/4/invalidate"), post("/lab/4/invalidate", 3)],
    "lab/4/reset": [only_post("/lab/4/reset"), post("/lab/4/reset", 1)],
    "lab/test": [Case("/lab/test", 0), Case("/lab/test?run=nobody", 1, status=404)],
    "lab/5": [Case("/lab/5", 6), result_of("/lab/5/scores", 7, SCORE)],
    "lab/5/scores": [
        only_post("/lab/5/scores"),
        post("/lab/5/scores", 5, SCORE),
        post("/lab/5/scores", 7, {**SCORE, "user_id": "nobody"}, 422),
    ],
    "lab/5/publisher/(?P<to>start|stop)": [
        only_post("/lab/5/publisher/stop"),
        post("/lab/5/publisher/stop", 3),
        post("/lab/5/publisher/start", 3),
    ],
    "lab/5/crash/(?P<where>commit|publish)": [
        only_post("/lab/5/crash/publish"),
        post("/lab/5/crash/commit", 3),
    ],
    "lab/5/tables": [Case("/lab/5/tables", 5)],
    "lab/5/events/<str:event_id>": [Case("/lab/5/events/{pending}", 2), Case("/lab/5/events/nobody", 1, status=404)],
    # --- Runs of experiments ---
    "lab/runs/": [listed("/lab/runs/", 1), listed("/lab/runs/?kind=queries", 1)],
    "lab/runs/start/<slug:kind>": [
        only_post("/lab/runs/start/queries"),
        post("/lab/runs/start/queries", 3, COMPARE),
        post("/lab/runs/start/queries", 0, {}, 422),
        post("/lab/runs/start/nothing", 0, {}, 404),
    ],
    "lab/runs/<str:run_id>": [
        Case("/lab/runs/{run}", 1),
        result_of("/lab/runs/start/queries", 1, COMPARE),
        Case("/lab/runs/nobody", 1, status=404),
    ],
    "lab/runs/<str:run_id>.json": [Case("/lab/runs/{run}.json", 1)],
    "lab/runs/<str:run_id>.csv": [Case("/lab/runs/{run}.csv", 1)],
    "lab/runs/<str:run_id>/cancel": [
        Case("/lab/runs/{run}/cancel", 0, status=302),
        post("/lab/runs/{run}/cancel", 1, status=403),
    ],
    "lab/compare": [
        Case("/lab/compare?a={run}&b={run}", 2),
        Case("/lab/compare", 0, status=422),
    ],
    # --- Data ---
    "admin/": [Case("/admin/", 2)],
    "admin/LIST": [
        listed("/admin/users", 2),
        listed("/admin/users?q=person&sort=name", 2),
        listed("/admin/users?last=1", 2),
        listed("/admin/assessments", 2),
        listed("/admin/scores", 2),
        listed("/admin/events", 2),
        listed("/admin/events?status=dead", 2),
        listed("/admin/events?q=usercreated&status=dead", 2),
        listed("/admin/runs", 2),
        listed("/admin/runs?status=done", 2),
        listed("/admin/audit", 2),
        listed("/admin/audit?list_name=users&action=update", 2),
        Case("/admin/users?q=nobody+has+this+name", 1),
    ],
    "admin/LIST/(?P<key>[^/]+)": [
        Case("/admin/users/{user}", 4),
        Case("/admin/assessments/{assessment}", 1),
        Case("/admin/scores/{score}", 1),
        Case("/admin/events/{dead}", 2),
        Case("/admin/events/nobody", 1, status=404),
        Case("/admin/runs/{run}", 1),
        Case("/admin/audit/{entry}", 2),
    ],
    "admin/LIST/export\\.(?P<form>csv|json)": [
        Case("/admin/users/export.csv", 0, status=302),
        post("/admin/users/export.csv", 3, status=200),
        post("/admin/events/export.json?status=dead", 3, status=200),
        post("/admin/events/export.json?status=lost", 0),
    ],
    "admin/users/new": [
        Case("/admin/users/new", 0),
        post("/admin/users/new", 3, {"name": "New", "email": "made{rows}@example.com"}),
        post("/admin/users/new", 1, {"name": "New", "email": "made{rows}@example.com"}, 409),
        post("/admin/users/new", 0, status=422),
    ],
    "admin/users/(?P<key>[^/]+)/edit": [
        Case("/admin/users/{user}/edit", 1),
        Case("/admin/users/nobody/edit", 1, status=404),
        post("/admin/users/{user}/edit", 1, {"opened": "{opened}", "name": ""}, 422),
        post("/admin/users/{user}/edit", 6, EDITED),  # one asks whether the address is that of staff
        post("/admin/users/{user}/edit", 1, EDITED),  # nothing is left to change
        post("/admin/users/{user}/edit", 3, {**EDITED, "name": "Another"}, 409),
    ],
    "admin/assessments/(?P<key>[^/]+)/edit": [
        Case("/admin/assessments/{assessment}/edit", 1),
        post("/admin/assessments/{assessment}/edit", 5, {"opened": "{opened_assessment}", **MENDED}),
        post("/admin/assessments/{assessment}/edit", 1, status=422),
    ],
    "admin/users/delete": [
        Case("/admin/users/delete?id={user}", 3),
        Case("/admin/users/delete?all=1", 3),
        post("/admin/users/delete", 4, {"all": "1", "confirmed": "1"}, 409),
        post("/admin/users/delete", 5, {"id": "{user}", "confirmed": "1"})._replace(more_on_postgresql=-1),
    ],
    "admin/assessments/delete": [
        Case("/admin/assessments/delete?all=1", 3),
        post("/admin/assessments/delete", 5, {"id": "{assessment}", "confirmed": "1"})._replace(more_on_postgresql=-1),
        post("/admin/assessments/delete", 7, {"id": "{begun}", "confirmed": "1"})._replace(more_on_postgresql=-2),
    ],
    "admin/runs/delete": [
        Case("/admin/runs/delete?id={run}", 2),
        post("/admin/runs/delete", 3, {"id": "{run}", "confirmed": "1"}),
    ],
    "admin/scores/delete": [
        Case("/admin/scores/delete?all=1", 2),
        post("/admin/scores/delete", 4, {"id": "{score}", "confirmed": "1"})._replace(more_on_postgresql=-1),
    ],
    "admin/events/redrive": [
        Case("/admin/events/redrive?id={dead}", 2),
        Case("/admin/events/redrive?all=1", 2),
        post("/admin/events/redrive", 3, {"all": "1", "confirmed": "{rows}"}),
    ],
    "admin/events/replay": [
        Case("/admin/events/replay?id={published}", 2),
        post("/admin/events/replay", 3, {"all": "1", "confirmed": "{rows}"}),
    ],
    "admin/events/discard": [
        Case("/admin/events/discard?id={dead}", 2),
        post("/admin/events/discard", 3, {"all": "1", "confirmed": "{rows}", "reason": "broken"}),
        post("/admin/events/discard", 2, {"all": "1", "confirmed": "{rows}"}, 422),
    ],
}
