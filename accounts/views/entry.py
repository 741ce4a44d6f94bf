"""Signing in tells nobody who has an account, by words or by time; signing up tells that an address is taken."""

from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from accounts import entry
from accounts.forms import SignInForm, SignUpForm
from accounts.views import tries
from accounts.views.common import action, asked_next, later, page, refused, show, to
from qulab.access import limits, sessions
from qulab.access.person import person_of
from qulab.access.sessions import SessionsAway
from qulab.db.engine import get_database
from qulab.db.errors import Conflict


@page("POST")
async def sign_in(request: HttpRequest) -> HttpResponseBase:
    after = asked_next(request)
    if request.method != "POST":
        if _is_signed_in(request):
            return HttpResponseRedirect(after) if after else to("profile")
        return show(request, "sign_in", {"form": SignInForm(), "next": after, "done": request.GET.get("done")})
    form = SignInForm(request.POST)
    if not form.is_valid():
        return refused(request, "sign_in", {"form": form, "next": after})
    email = form.cleaned_data["email"]
    if refusal := await tries.one_more_sign_in(request, email):
        return limits.too_many(request, refusal)
    try:
        account = await entry.sign_in(get_database(), **form.cleaned_data)
    except entry.WrongPassword:
        form.add_error(None, _("No account has this address with this password."))
        return refused(request, "sign_in", {"form": form, "next": after})
    await sessions.sign_in(request, account)
    await tries.forget_sign_ins(request, email)
    return HttpResponseRedirect(after) if after else to("profile")


@page("POST")
async def sign_up(request: HttpRequest) -> HttpResponseBase:
    after = asked_next(request)
    if request.method != "POST":
        if _is_signed_in(request):
            return to("profile")
        return show(request, "sign_up", {"form": SignUpForm(), "next": after})
    form = SignUpForm(request.POST)
    if not form.is_valid():
        return refused(request, "sign_up", {"form": form, "next": after})
    if refusal := await tries.one_more_from(request, tries.SIGN_UP_FROM):
        return limits.too_many(request, refusal)
    typed = form.cleaned_data
    try:
        account = await entry.sign_up(get_database(), email=typed["email"], name=typed["name"], password=typed["new"])
    except Conflict:
        form.add_error("email", _("This address is taken."))
        return refused(request, "sign_up", {"form": form, "next": after, "taken": True})
    try:
        await sessions.sign_in(request, account)
    except SessionsAway:
        return later(
            request,
            _("Your account is stored"),
            _("Redis, which knows who is signed in, does not answer. Sign in when it is back."),
        )
    return HttpResponseRedirect(after) if after else to("profile", done="up")


@action
async def sign_out(request: HttpRequest) -> HttpResponseBase:
    await sessions.sign_out(request)
    return to("sign-in", done="out")


def _is_signed_in(request: HttpRequest) -> bool:
    person = person_of(request)
    return person is not None and bool(person.id)
