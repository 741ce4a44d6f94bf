"""People for tests: with an account, and signed in without the half second that a hash takes."""

from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest
from django.test import AsyncClient

from accounts.models import Credentials, User
from qulab.access import sessions
from qulab.access.person import Known, Person, fingerprint
from qulab.access.sessions import SessionStore
from qulab.db.base import new_id
from qulab.db.engine import Database

PASSWORD = "correct horse battery staple"


async def account(
    database: Database, *, email: str | None = None, name: str = "Test Person", is_staff: bool = False, **profile: Any
) -> Known:
    """A stored user with credentials; the password is PASSWORD, under whatever hasher comes first."""
    user = User(id=new_id(), email=email or f"{new_id()}@example.com", name=name, **profile)
    password = make_password(PASSWORD, hasher="md5" if _has_md5() else "default")
    async with database.writing() as session:
        session.add(user)
        await session.flush()
        session.add(Credentials(user_id=user.id, password=password, is_staff=is_staff))
        await session.commit()
    return Known(Person(user.id, user.name, user.email, is_staff), fingerprint(password))


async def sign_client_in(client: AsyncClient, known: Known) -> None:
    """Open a session for the account, and give its cookie to the client."""
    request = HttpRequest()
    request.session = SessionStore()
    await sessions.sign_in(request, known)
    key = request.session.session_key
    assert key is not None
    client.cookies[settings.SESSION_COOKIE_NAME] = key


async def signed_in(client: AsyncClient, database: Database, *, is_staff: bool = False, **profile: Any) -> Person:
    """A new account, signed in with this client."""
    known = await account(database, is_staff=is_staff, **profile)
    await sign_client_in(client, known)
    return known.person


def _has_md5() -> bool:
    return any(hasher.endswith("MD5PasswordHasher") for hasher in settings.PASSWORD_HASHERS)
