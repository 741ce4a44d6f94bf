"""Who asks is found once a request, before its view runs; from there on it is a frozen value."""

from collections.abc import Awaitable, Callable
from typing import cast

import msgspec
from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from qulab.access.operator import is_operator

PERSON = "_person"
UNKNOWN = "_who_is_unknown"


class Person(msgspec.Struct, frozen=True):
    """Somebody with an account, or the operator at this machine, who needs none and has no id."""

    id: str
    name: str
    email: str
    is_staff: bool
    is_operator: bool = False

    @property
    def actor(self) -> str | None:
        """The id for a record of who did something."""
        return self.id or None


class Known(msgspec.Struct, frozen=True):
    """A person, and what every session of theirs must have been opened with."""

    person: Person
    fingerprint: str


def fingerprint(password_hash: str) -> str:
    """Changes with the password, and tells nothing of it: a session that has another one is over."""
    return salted_hmac("qulab.access", password_hash, algorithm="sha256").hexdigest()


async def known(user_id: str) -> Known | None:
    """The account of a session, from the app that keeps accounts (`settings.PEOPLE`); None when it is gone."""
    find = cast("Callable[[str], Awaitable[Known | None]]", import_string(settings.PEOPLE))
    return await find(user_id)


def person_of(request: HttpRequest | None) -> Person | None:
    """Who asks; None for somebody without an account, and where the address led to no view."""
    if request is None:
        return None
    if PERSON in request.__dict__:
        found: Person | None = request.__dict__[PERSON]
        return found
    return None if settings.SESSION_COOKIE_NAME in request.COOKIES else operator(request)


def operator(request: HttpRequest) -> Person | None:
    """Whoever sits at this machine, where the settings trust them."""
    if not is_operator(request):
        return None
    return Person("", _("operator at this machine"), "", is_staff=True, is_operator=True)


def meet(request: HttpRequest, person: Person | None) -> None:
    """From here on, `person` is who asks."""
    request.__dict__[PERSON] = person


def who_is_unknown(request: HttpRequest | None) -> bool:
    """Whether somebody is signed in, and Redis, which knows who, is away. The page is one that anybody may see."""
    return request is not None and bool(request.__dict__.get(UNKNOWN))
