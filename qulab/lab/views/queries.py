"""Section 3: one form chooses the user, its buttons say what is done with them."""

from collections.abc import Awaitable, Callable

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from qulab.db.engine import get_database
from qulab.db.errors import NotFound
from qulab.db.middleware import DatabaseRequest
from qulab.lab import ownership, pages, runs
from qulab.lab.bench_pages import bench_view
from qulab.lab.demonstrations import queries as demonstrations
from qulab.lab.forms import ChooseUserForm
from qulab.lab.sections import section
from qulab.lab.views.common import OK, UNPROCESSABLE, action, asked_run, to_run

CHOICES = 50  # newest users in the select


@require_safe
async def page(request: DatabaseRequest) -> HttpResponse:
    return await _show(request)


@action("queries")
async def add_scores(request: DatabaseRequest) -> HttpResponse:
    return await _with_user(
        request,
        demonstrations.ADD_SCORES,
        lambda user_id: demonstrations.add_scores(request.db, get_database(), user_id),
    )


@action("queries")
async def fetch(request: DatabaseRequest, how: str) -> HttpResponse:
    return await _with_user(
        request, demonstrations.FETCH_USER, lambda user_id: demonstrations.fetch(get_database(), user_id, how)
    )


async def _with_user(
    request: DatabaseRequest, kind: runs.Kind[runs.Result], action: Callable[[str], Awaitable[runs.Result]]
) -> HttpResponse:
    form = ChooseUserForm(request.POST)
    if form.is_valid() and not await ownership.may_use(request.db, form.chosen()):
        form.add_error(form.field_of_choice(), ownership.not_yours_to_use())
    if not form.is_valid():
        return await _show(request, user_form=form, status=UNPROCESSABLE)
    try:
        result = await action(form.chosen())
    except NotFound:
        form.add_error(form.field_of_choice(), _("No user has this id. Copy one from section 1."))
        return await _show(request, user_form=form, status=UNPROCESSABLE)
    told = {"user_id": form.chosen()}
    return to_run("queries", await runs.save(request.db, kind, result, database=get_database(), parameters=told))


async def _show(
    request: DatabaseRequest,
    *,
    user_form: ChooseUserForm | None = None,
    status: int = 200,
) -> HttpResponse:
    if status != OK:
        await request.db.stop_writing()
    run = await asked_run(request, 3)
    chosen = {"user": run.parameters.get("user_id")} if run else None
    users = await ownership.users(get_database(), request.db, CHOICES)
    context = {
        "section": section(3),
        "user_form": (user_form or ChooseUserForm(initial=chosen)).offer(users),
        "run": run,
        "bench": await bench_view(request, "queries", run=run),
        **pages.queries_result(run),
    }
    return render(request, "lab/queries.html", context, status=status)
