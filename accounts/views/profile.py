"""One's own profile and nobody else's: whose it is comes from the session, never from the address or a form."""

from http import HTTPStatus

import msgspec
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from accounts import entry, selectors
from accounts.forms import ProfileForm
from accounts.services import update_user
from accounts.views import tries
from accounts.views.common import action, page, refused, show, to
from qulab.access import limits, sessions
from qulab.access.pages import me
from qulab.access.person import Person, person_of, who_is_unknown
from qulab.access.sessions import SessionsAway
from qulab.db.engine import get_database
from qulab.db.errors import Conflict, Stale
from qulab.db.middleware import DatabaseRequest


@page()
async def profile(request: DatabaseRequest) -> HttpResponseBase:
    """For the operator at this machine, who has no account, it says so."""
    if who_is_unknown(request):
        raise SessionsAway
    person = person_of(request)
    if person is None:
        return to("sign-in", next=request.get_full_path())
    if not person.id:
        return show(request, "operator", {})
    account = await selectors.account_of(request.db, person.id)
    owned = await selectors.belongings_of(request.db, person.id)
    return show(request, "profile", {"account": account, "owned": owned, "done": request.GET.get("done")})


@page("POST")
async def edit(request: DatabaseRequest) -> HttpResponseBase:
    person = me(request)
    if request.method != "POST":
        user = (await selectors.account_of(request.db, person.id)).user
        return show(request, "edit", {"form": ProfileForm(initial=msgspec.structs.asdict(user))})
    form = ProfileForm(request.POST)
    if not form.is_valid():
        return refused(request, "edit", {"form": form})
    if form.typed().get("email", person.email) != person.email:
        answer = await _asked_for_password(request, person, form)
        if answer is not None:
            return answer
    return await _store(request, person, form)


async def _asked_for_password(request: HttpRequest, person: Person, form: ProfileForm) -> HttpResponseBase | None:
    """None where the password is right: whoever finds a browser open cannot take the account to another address."""
    password = form.cleaned_data["password"]
    if not password:
        form.add_error("password", _("Another address needs your password."))
        return refused(request, "edit", {"form": form})
    refusal = await tries.one_more(tries.CONFIRM, person.id) or await tries.one_more(tries.ADDRESS, person.id)
    if refusal:  # the second is never forgotten: each answer tells whether an address is taken
        return limits.too_many(request, refusal)
    try:
        await entry.confirm(get_database(), user_id=person.id, password=password)
    except entry.WrongPassword:
        form.add_error("password", _("This is not your password."))
        return refused(request, "edit", {"form": form})
    await limits.clear(tries.CONFIRM, person.id)
    return None


async def _store(request: DatabaseRequest, person: Person, form: ProfileForm) -> HttpResponseBase:
    changes = form.changes()
    if "email" not in form.typed():  # nothing that asks for no password stores an address
        del changes["email"]
    try:
        await update_user(request.db, user_id=person.id, version=form.cleaned_data["version"], **changes)
    except Conflict:
        await request.db.stop_writing()
        form.add_error("email", _("Somebody else has this address."))
        return refused(request, "edit", {"form": form})
    except Stale:
        await request.db.stop_writing()
        return await _difference(request, person, form)
    return to("profile", done="profile")


async def _difference(request: DatabaseRequest, person: Person, form: ProfileForm) -> HttpResponseBase:
    """What was typed beside what is stored by now; saved once more it is put over that, and over nothing else."""
    stored = (await selectors.account_of(request.db, person.id)).user
    rows = [
        (form.fields[name].label, value, getattr(stored, name))
        for name, value in form.typed().items()
        if value != getattr(stored, name)
    ]
    context = {"form": form.over(stored), "differences": rows}
    return show(request, "edit", context, status=HTTPStatus.CONFLICT)


@action
async def sign_out_elsewhere(request: HttpRequest) -> HttpResponseBase:
    await sessions.end_sessions(me(request).id, but=request.session.session_key)
    return to("profile", done="elsewhere")
