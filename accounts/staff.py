"""Rights are given and taken by address, with an audit row in the same transaction, and never over the web."""

from sqlalchemy import update

from accounts.holders import Holder, replace_password
from accounts.models import Credentials, User
from accounts.services import add_user, normalize_email
from qulab.admin.audit import record
from qulab.db.errors import NotFound
from qulab.db.session import Session

USERS = "users"  # the list that the audit names


class NoPassword(Exception):
    """This person has no password yet, so they could not sign in as staff. Give them one."""


async def create_staff(session: Session, *, email: str, name: str, encoded: str) -> None:
    """Store a person who is staff. Raises Conflict(field="email")."""
    user = await add_user(session, User(email=normalize_email(email), name=name.strip()))
    session.add(Credentials(user_id=user.id, password=encoded, is_staff=True))
    record(session, None, action="create", list_name=USERS, row_id=user.id, changes={"is_staff": [False, True]})
    await session.commit()


async def make_staff(session: Session, *, holder: Holder, encoded: str | None) -> None:
    """Give rights, and another password where one is given. Raises NoPassword, and NotFound for who left meanwhile."""
    if encoded is None and not holder.password:
        raise NoPassword
    if encoded is not None and not await replace_password(session, holder, encoded):
        raise NotFound(User, holder.id)
    await session.flush()
    await _set(session, holder, is_staff=True)


async def remove_staff(session: Session, *, holder: Holder) -> None:
    """Take rights away; the person and their account stay. Raises NotFound."""
    await _set(session, holder, is_staff=False)


async def _set(session: Session, holder: Holder, *, is_staff: bool) -> None:
    statement = update(Credentials).where(Credentials.user_id == holder.id).values(is_staff=is_staff)
    if not (await session.execute(statement)).rowcount:  # type: ignore[attr-defined]
        raise NotFound(User, holder.id)
    changes = {"is_staff": [holder.is_staff, is_staff]}
    record(session, None, action="update", list_name=USERS, row_id=holder.id, changes=changes)
    await session.commit()
