"""Section 1: a refused user is told at the field, and nothing of them is stored."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.forms import UserForm
from accounts.repositories import UserRepository
from qulab.db.engine import Database, get_database
from qulab.db.errors import Conflict, NotFound
from qulab.db.middleware import DatabaseRequest
from qulab.db.session import Session
from qulab.lab import charts, ownership, relations, runs, schema
from qulab.lab.bench_pages import bench_view
from qulab.lab.demonstrations import refusals
from qulab.lab.demonstrations.models import CREATE_USER, store_user
from qulab.lab.forms import ChooseUserForm
from qulab.lab.sections import section
from qulab.lab.views.common import OK, UNPROCESSABLE, action, asked_run, to_run

SHOWN = 12  # users on the page


@require_safe
async def page(request: DatabaseRequest) -> HttpResponse:
    return await _show(request)


@action("models")
@ownership.needs_own_database(1)
async def create_user(request: DatabaseRequest) -> HttpResponse:
    form, database = UserForm(request.POST), get_database()
    if not form.is_valid():
        return await _show(request, form, status=UNPROCESSABLE)
    try:
        result = await store_user(request.db, database, **form.cleaned_data)
    except Conflict as conflict:
        form.add_error(conflict.field if conflict.field in form.fields else None, _("A user with this email exists."))
        return await _show(request, form, status=UNPROCESSABLE)
    return to_run("models", await runs.save(request.db, CREATE_USER, result, database=database))


@action("models")
async def attempt(request: DatabaseRequest, what: str) -> HttpResponse:
    """Try what the schema refuses, or count what a deletion would take along."""
    form, database = ChooseUserForm(request.POST), get_database()
    if what == "orphan":
        orphan = await refusals.score_nobody(request.db, database)
        return to_run("models", await runs.save(request.db, refusals.ORPHAN, orphan, database=database))
    if form.is_valid() and not await ownership.may_use(request.db, form.chosen()):
        form.add_error(form.field_of_choice(), ownership.not_yours_to_use())
    if not form.is_valid():
        return await _show(request, user_form=form, status=UNPROCESSABLE)
    try:
        kind, result = await TRIED[what](request.db, database, form.chosen())
    except NotFound:
        form.add_error(form.field_of_choice(), _("No user has this id. Copy one from the list below."))
        return await _show(request, user_form=form, status=UNPROCESSABLE)
    told = {"user_id": form.chosen()}
    return to_run("models", await runs.save(request.db, kind, result, database=database, parameters=told))


async def _duplicate(session: Session, database: Database, user_id: str) -> tuple[runs.Kind[Any], Any]:
    return refusals.DUPLICATE, await refusals.store_address_again(session, database, user_id)


async def _would_go(session: Session, database: Database, user_id: str) -> tuple[runs.Kind[Any], Any]:
    return refusals.WOULD_GO, await refusals.would_go(session, database, user_id)


TRIED = {"duplicate": _duplicate, "cascade": _would_go}


async def _show(
    request: DatabaseRequest, form: UserForm | None = None, *, user_form: ChooseUserForm | None = None, status: int = OK
) -> HttpResponse:
    if status != OK:
        await request.db.stop_writing()
    run, database = await asked_run(request, 1), get_database()
    owned = ownership.owns_rows()
    users = await ownership.users(database, request.db, SHOWN)
    chosen = {"user": run.parameters.get("user_id")} if run else None
    context = {
        "section": section(1),
        "form": form or UserForm(),
        "user_form": (user_form or ChooseUserForm(initial=chosen)).offer(users),
        "run": run,
        "bars": charts.waterfall(run.result.statements) if run and run.kind != "cascade" else [],
        "users": users,
        "users_total": await UserRepository(request.db).count() if owned else len(users),
        "owned": owned,
        "tables": [(table, schema.ddl(table.name)) for table in schema.table_views()],
        "joins": relations.joins(database.engine.dialect),
        "live": await relations.live(request.db, None if owned else ownership.own_scores(1)),
        "bench": await bench_view(request, "cascade", run=run),
    }
    return render(request, "lab/models.html", context, status=status)
