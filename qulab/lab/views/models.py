"""Section 1: a refused user is told at the field, and nothing of them is stored."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.forms import UserForm
from accounts.repositories import UserRepository
from accounts.snapshots import UserSnapshot
from qulab.db.engine import get_database
from qulab.db.errors import Conflict
from qulab.db.middleware import DatabaseRequest
from qulab.lab import charts, runs, schema
from qulab.lab.demonstrations.models import CREATE_USER, store_user
from qulab.lab.sections import section
from qulab.lab.views.common import OK, UNPROCESSABLE, action, asked_run, to_run

SHOWN = 12  # users on the page


@require_safe
async def page(request: DatabaseRequest) -> HttpResponse:
    return await _show(request, UserForm())


@action("models")
async def create_user(request: DatabaseRequest) -> HttpResponse:
    form, database = UserForm(request.POST), get_database()
    if not form.is_valid():
        return await _show(request, form, UNPROCESSABLE)
    try:
        result = await store_user(request.db, database, **form.cleaned_data)
    except Conflict as conflict:
        form.add_error(conflict.field if conflict.field in form.fields else None, _("A user with this email exists."))
        return await _show(request, form, UNPROCESSABLE)
    return to_run("models", await runs.save(request.db, CREATE_USER, result, database=database))


async def _show(request: DatabaseRequest, form: UserForm, status: int = 200) -> HttpResponse:
    if status != OK:
        await request.db.stop_writing()
    run = await asked_run(request, 1)
    users = await UserRepository(request.db).recent(SHOWN)
    context = {
        "section": section(1),
        "form": form,
        "run": run,
        "bars": charts.waterfall(run.result.statements) if run else [],
        "users": [UserSnapshot.of(user) for user in users],
        "users_total": await UserRepository(request.db).count(),
        "tables": [(table, schema.ddl(table.name)) for table in schema.table_views()],
        "relationships": schema.relationships(),
        "many_to_many": schema.has_many_to_many(),
    }
    return render(request, "lab/models.html", context, status=status)
