"""Who a session belongs to is asked anew by each request: a changed password ends it, and rights that went are gone."""

from sqlalchemy import select

from accounts.models import Credentials, User
from qulab.access.person import Known, Person, fingerprint
from qulab.db.engine import get_database


async def known(user_id: str) -> Known | None:
    """The account of a user, in one statement, in a session of its own: the view's begins with the view."""
    columns = (User.id, User.name, User.email, Credentials.is_staff, Credentials.password)
    async with get_database().reading() as session:
        found = (await session.execute(select(*columns).join(Credentials).where(User.id == user_id))).one_or_none()
    if found is None:
        return None
    return Known(Person(found.id, found.name, found.email, found.is_staff), fingerprint(found.password))
