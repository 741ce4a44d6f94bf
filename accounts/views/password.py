"""A new password ends every other session. A link that sets one leaves the address bar before anything is shown."""

from contextlib import suppress
from http import HTTPStatus

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import entry, selectors
from accounts.forms import AskForResetForm, ChangePasswordForm, SetPasswordForm
from accounts.holders import Holder
from accounts.tasks import NotSent, send_reset
from accounts.views import tries
from accounts.views.common import later, page, refused, show, to
from qulab.access import limits, sessions
from qulab.access.operator import is_operator
from qulab.access.pages import me
from qulab.access.sessions import SessionsAway
from qulab.db.base import ID_LENGTH, new_id
from qulab.db.engine import get_database

LINK = "qulab-reset"  # the cookie that keeps what the link brought
LONGEST_TOKEN = 60


@page("POST")
async def change(request: HttpRequest) -> HttpResponseBase:
    person = me(request)
    if request.method != "POST":
        return show(request, "password", {"form": ChangePasswordForm(), "person": person})
    form = ChangePasswordForm(request.POST, name=person.name, email=person.email)
    if not form.is_valid():
        return refused(request, "password", {"form": form, "person": person})
    if refusal := await tries.one_more(tries.CONFIRM, person.id):
        return limits.too_many(request, refusal)
    typed = form.cleaned_data
    try:
        account = await entry.change_password(
            get_database(), user_id=person.id, current=typed["current"], new=typed["new"]
        )
    except entry.WrongPassword:
        form.add_error("current", _("This is not your current password."))
        return refused(request, "password", {"form": form, "person": person})
    try:
        await sessions.sign_in(request, account)
        await sessions.end_sessions(person.id, but=request.session.session_key)
    except SessionsAway:
        why = _(
            "You are signed out everywhere, as Redis does not answer. Sign in with the new password when it is back."
        )
        return later(request, _("Your password is changed"), why)
    await limits.clear(tries.CONFIRM, person.id)
    return to("profile", done="password")


@page("POST")
async def ask_for_reset(request: HttpRequest) -> HttpResponseBase:
    """The same answer, as fast, whether the address has an account or not."""
    if request.method != "POST":
        return show(request, "reset", {"form": AskForResetForm()})
    form = AskForResetForm(request.POST)
    if not form.is_valid():
        return refused(request, "reset", {"form": form})
    email = form.cleaned_data["email"]
    refusal = await tries.one_more_from(request, tries.RESET_FROM) or await tries.one_more(tries.RESET, email)
    if refusal:
        return limits.too_many(request, refusal)
    try:
        await send_reset(await selectors.id_of(get_database(), email) or new_id())
    except NotSent as error:
        return later(request, _("No mail can be sent now"), str(error.__doc__))
    return to("reset-sent")


@page()
async def reset_sent(request: HttpRequest) -> HttpResponseBase:
    printed = not settings.EMAIL_HOST and is_operator(request)
    return show(request, "reset_sent", {"minutes": settings.PASSWORD_RESET_TIMEOUT // 60, "printed": printed})


@page()
async def follow_link(request: HttpRequest, user_id: str, token: str) -> HttpResponseBase:
    """Keep what the link brought in a cookie, and go on to an address that tells nobody anything."""
    response = to("reset-new")
    if len(user_id) <= ID_LENGTH and len(token) <= LONGEST_TOKEN:
        response.set_cookie(
            LINK,
            signing.dumps([user_id, token], salt=LINK),
            max_age=settings.PASSWORD_RESET_TIMEOUT,
            path=reverse("accounts:reset"),
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response


@page("POST")
async def set_new(request: HttpRequest) -> HttpResponseBase:
    try:
        return await _set_new(request, await _holder(request))
    except entry.LinkIsOver:
        return _without_link(show(request, "link_over", {}, status=HTTPStatus.NOT_FOUND))


async def _set_new(request: HttpRequest, holder: Holder) -> HttpResponseBase:
    context = {"email": holder.email, "first": not holder.password}
    if request.method != "POST":
        return show(request, "reset_new", {"form": SetPasswordForm(), **context})
    form = SetPasswordForm(request.POST, name=holder.name, email=holder.email)
    if not form.is_valid():
        return refused(request, "reset_new", {"form": form, **context})
    await entry.set_password(get_database(), holder=holder, password=form.cleaned_data["new"])
    with suppress(SessionsAway):  # they are over all the same: they were opened with the old password
        await sessions.end_sessions(holder.id)
    await limits.clear(tries.SIGN_IN_ANYWHERE, holder.email)
    await tries.forget_sign_ins(request, holder.email)
    return _without_link(to("sign-in", done="reset"))


async def _holder(request: HttpRequest) -> Holder:
    try:
        user_id, token = signing.loads(
            request.COOKIES.get(LINK, ""), salt=LINK, max_age=settings.PASSWORD_RESET_TIMEOUT
        )
    except (signing.BadSignature, ValueError):
        raise entry.LinkIsOver from None
    return await entry.holder_of_link(get_database(), user_id=user_id, token=token)


def _without_link(response: HttpResponse) -> HttpResponse:
    response.delete_cookie(LINK, path=reverse("accounts:reset"), samesite="Lax")
    return response
