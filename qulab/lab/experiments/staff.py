"""Pages for staff are measured as staff ask for them: with an account of the scratch database, and its session."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from accounts.models import Credentials, User
from qulab.access import sessions
from qulab.access.person import Known, Person, fingerprint
from qulab.db.base import new_id
from qulab.db.engine import Database

EMAIL, NAME = "staff@bench.invalid", "Staff of the bench"


@asynccontextmanager
async def signed_in(scratch: Database) -> AsyncIterator[str]:
    """The key of a session, in the Redis that is lent to this event loop; gone afterwards."""
    person, password = Person(new_id(), NAME, EMAIL, is_staff=True), make_password(None)
    async with scratch.writing() as session:
        session.add(User(id=person.id, email=EMAIL, name=NAME))
        await session.flush()
        session.add(Credentials(user_id=person.id, password=password, is_staff=True))
        await session.commit()
    request = HttpRequest()
    request.session = sessions.SessionStore()
    await sessions.sign_in(request, Known(person, fingerprint(password)))
    try:
        yield request.session.session_key or ""
    finally:
        await sessions.end_sessions(person.id)
