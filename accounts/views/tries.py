"""Each try is counted before anything is computed for it: by account, and by where it comes from.

The first keeps a password from being found by trying, the second keeps one place from trying many accounts. An account
is counted for each place first, so that nobody keeps its person out from elsewhere with a few tries. The operator at
this machine shares an address with everybody there, and is counted by account alone.
"""

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from qulab.access import limits
from qulab.access.limits import Limit, Refusal, address_of
from qulab.access.operator import is_operator

MINUTES, HOUR = 15 * 60, 3600

SIGN_IN = Limit("sign-in", 10, MINUTES, _("There were ten wrong passwords for this account from where you are."))
SIGN_IN_ANYWHERE = Limit("sign-in-anywhere", 100, HOUR, _("Many places tried to sign in as this person."))
SIGN_IN_FROM = Limit("sign-in-from", 60, MINUTES, _("Too many tries to sign in came from where you are."))
SIGN_UP_FROM = Limit("sign-up-from", 20, HOUR, _("Too many people signed up from where you are."))
RESET = Limit("reset", 3, HOUR, _("Mails to this address were asked for again and again. See whether one has come."))
RESET_FROM = Limit("reset-from", 20, HOUR, _("Too many mails were asked for from where you are."))
CONFIRM = Limit("confirm", 10, MINUTES, _("Your password was asked for, and was wrong, again and again."))
ADDRESS = Limit("address", 5, HOUR, _("You have changed your address again and again."))
EXPORT = Limit("export", 10, HOUR, _("You have downloaded your data again and again."))


async def one_more(limit: Limit, key: str) -> Refusal | None:
    """Count a try on an account."""
    return await limits.hit(limit, key)


async def one_more_sign_in(request: HttpRequest, email: str) -> Refusal | None:
    """Count a try to sign in: of the place, of the place at this account, and of all places at this account."""
    return (
        await one_more_from(request, SIGN_IN_FROM)
        or await limits.hit(SIGN_IN, email, address_of(request))
        or await limits.hit(SIGN_IN_ANYWHERE, email)
    )


async def forget_sign_ins(request: HttpRequest, email: str) -> None:
    """The password was right: what was tried before from this place is not held against it."""
    await limits.clear(SIGN_IN, email, address_of(request))


async def one_more_from(request: HttpRequest, limit: Limit) -> Refusal | None:
    """Count a try of whoever asks."""
    return None if is_operator(request) else await limits.hit(limit, address_of(request))
