"""A question is answered once, and each answer leads on: nothing that a browser repeats or sends late does harm.

Whatever is refused, the page says that nothing was recorded by it and nothing lost, and leads to the question that
waits now. Reading what was asked and storing the answer are two transactions, so that the second can be tried again.
"""

from http import HTTPStatus

from django.http.response import HttpResponseBase

from assessments import sittings
from assessments.forms import AnswerForm, answer_form
from assessments.models import Status
from assessments.progress import Outdated
from assessments.selection import MOST_ITEMS
from assessments.selectors import SittingNow, sitting_of
from assessments.views.common import page, show, to
from assessments.views.shown import item_of, question_of
from qulab.access.pages import me
from qulab.db.engine import get_database
from qulab.db.middleware import DatabaseRequest

REFUSALS = {
    sittings.NotAsked: HTTPStatus.BAD_REQUEST,
    sittings.NoAnswer: HTTPStatus.BAD_REQUEST,
    sittings.AlreadyAnswered: HTTPStatus.CONFLICT,
    sittings.Ended: HTTPStatus.CONFLICT,
    Outdated: HTTPStatus.CONFLICT,
}


@page()
async def sitting(request: DatabaseRequest, sitting_id: str) -> HttpResponseBase:
    """The question that waits; after the last one the result."""
    now = await sitting_of(request.db, user_id=me(request).id, sitting_id=sitting_id)
    if now.status is Status.IN_PROGRESS:
        return _outdated(request, now) if now.is_outdated else _ask(request, now, answer_form(item_of(now)))
    return to("result", now.score_id) if now.score_id else show(request, "ended", {"now": now})


@page("POST")
async def answer(request: DatabaseRequest, sitting_id: str) -> HttpResponseBase:
    """Who follows its address by hand comes to the question."""
    if request.method != "POST":
        return to("sitting", sitting_id)
    try:
        return await _record(request, me(request).id, sitting_id, request.POST.get("question", ""))
    except tuple(REFUSALS) as refusal:
        await request.db.stop_writing()
        now = await sitting_of(request.db, user_id=me(request).id, sitting_id=sitting_id)
        if isinstance(refusal, Outdated):
            return _outdated(request, now) if now.status is Status.IN_PROGRESS else to("sitting", sitting_id)
        context = {"now": now, "why": type(refusal).__name__}
        return show(request, "answered", context, status=REFUSALS[type(refusal)])


async def _record(request: DatabaseRequest, user_id: str, sitting_id: str, question: str) -> HttpResponseBase:
    async with get_database().reading() as session:
        progress = await sittings.progress_of(session, user_id=user_id, sitting_id=sitting_id)
    asked = progress.find(question)
    if asked is None:
        raise sittings.NotAsked
    form = answer_form(progress.item(asked), request.POST)
    if form.is_valid():
        given = form.answer()
        await sittings.answer(request.db, user_id=user_id, sitting_id=sitting_id, question=question, answer=given)
        return to("sitting", sitting_id)
    if asked is not progress.pending:
        raise sittings.AlreadyAnswered
    if progress.status is not Status.IN_PROGRESS:
        raise sittings.Ended
    return _ask(request, SittingNow.of(progress, None), form)


@page("POST")
async def abandon(request: DatabaseRequest, sitting_id: str) -> HttpResponseBase:
    """GET asks whether one is sure."""
    person = me(request)
    if request.method == "POST":
        await sittings.abandon(request.db, user_id=person.id, sitting_id=sitting_id)
        return to("sitting", sitting_id)
    now = await sitting_of(request.db, user_id=person.id, sitting_id=sitting_id)
    return show(request, "abandon", {"now": now}) if now.status is Status.IN_PROGRESS else to("sitting", sitting_id)


def _outdated(request: DatabaseRequest, now: SittingNow) -> HttpResponseBase:
    return show(request, "outdated", {"now": now}, status=HTTPStatus.CONFLICT)


def _ask(request: DatabaseRequest, now: SittingNow, form: AnswerForm) -> HttpResponseBase:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    context = {"question": question_of(now), "form": form, "most": MOST_ITEMS}
    return show(request, "question", context, status=status)
