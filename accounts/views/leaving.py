"""Who takes their data along, or leaves, sees first what that is."""

from contextlib import suppress

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from accounts import entry, selectors
from accounts.export import export as exported
from accounts.forms import ConfirmForm
from accounts.leaving import delete_account
from accounts.views import tries
from accounts.views.common import page, refused, show, to
from qulab.access import limits, sessions
from qulab.access.pages import me
from qulab.access.sessions import SessionsAway
from qulab.db.engine import get_database
from qulab.db.middleware import DatabaseRequest


@page("POST")
async def delete(request: DatabaseRequest) -> HttpResponseBase:
    """GET counts what goes along; POST deletes it, where the password is right."""
    person = me(request)
    if request.method != "POST":
        owned = await selectors.belongings_of(request.db, person.id)
        return show(request, "delete", {"form": ConfirmForm(), "person": person, "owned": owned})
    form = ConfirmForm(request.POST)
    if form.is_valid():
        if refusal := await tries.one_more(tries.CONFIRM, person.id):
            return limits.too_many(request, refusal)
        try:
            await entry.confirm(get_database(), user_id=person.id, password=form.cleaned_data["password"])
        except entry.WrongPassword:
            form.add_error("password", _("This is not your password."))
        else:
            await delete_account(request.db, person=person)
            with suppress(SessionsAway):  # they are over all the same: there is nobody whom they could be of
                await sessions.end_sessions(person.id)
                await sessions.sign_out(request)
            return to("gone")
    await request.db.stop_writing()
    owned = await selectors.belongings_of(request.db, person.id)
    return refused(request, "delete", {"form": form, "person": person, "owned": owned})


@page()
async def gone(request: HttpRequest) -> HttpResponseBase:
    return show(request, "gone", {})


@page()
async def export(request: HttpRequest) -> HttpResponseBase:
    person = me(request)
    if refusal := await tries.one_more(tries.EXPORT, person.id):
        return limits.too_many(request, refusal)
    response = StreamingHttpResponse(exported(get_database(), person.id), content_type="application/json")
    response["Content-Disposition"] = 'attachment; filename="qulab-account.json"'
    return response
