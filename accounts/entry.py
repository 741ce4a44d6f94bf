"""Whoever signs in knows the password that is stored now; no session of the database is open while one is hashed."""

from accounts.hashing import check_password, hash_password
from accounts.holders import Holder, holder_of_email, holder_of_id, note_sign_in, replace_password
from accounts.models import Credentials, User
from accounts.services import add_user, normalize_email
from accounts.tokens import is_token_of
from qulab.access.person import Known
from qulab.db.base import utcnow
from qulab.db.engine import Database
from qulab.db.errors import Conflict
from qulab.db.repository import conflicts

ATTEMPTS = 2


class WrongPassword(Exception):
    """This is not the password of the account. Try again, or have a mail sent that sets a new one."""


class LinkIsOver(Exception):
    """This link cannot be used: it was used before, it is too old, or it is not whole. Ask for another one."""


async def sign_in(database: Database, *, email: str, password: str) -> Known:
    """Who has this address and password. Raises WrongPassword, of which nothing tells why, and Busy."""
    for _ in range(ATTEMPTS):
        async with database.reading() as session:
            holder = await holder_of_email(session, normalize_email(email))
        checked = await check_password(password, holder.password if holder else None)
        if holder is None or not checked.right:
            break
        encoded = await hash_password(password) if checked.outdated else holder.password
        async with database.writing() as session:
            if await note_sign_in(session, holder, encoded):
                await session.commit()
                return holder.with_password(encoded).known
        # It is another one since it was read, or the same password was hashed anew by another sign-in.
    raise WrongPassword


async def sign_up(database: Database, *, email: str, name: str, password: str) -> Known:
    """Store a person with credentials. Raises Conflict(field="email") for a taken address, and Busy."""
    encoded = await hash_password(password)
    async with database.writing() as session:
        user = await add_user(session, User(email=normalize_email(email), name=name.strip()))
        session.add(Credentials(user_id=user.id, password=encoded, last_sign_in_at=utcnow()))
        await session.commit()
    return Holder(user.id, user.name, user.email, False, encoded, None).known


async def confirm(database: Database, *, user_id: str, password: str) -> Holder:
    """The account, where this is its password. Raises WrongPassword and Busy."""
    async with database.reading() as session:
        holder = await holder_of_id(session, user_id)
    checked = await check_password(password, holder.password if holder else None)
    if holder is None or not checked.right:
        raise WrongPassword
    return holder


async def change_password(database: Database, *, user_id: str, current: str, new: str) -> Known:
    """Store a new password of who knows the current one. Raises WrongPassword and Busy."""
    holder = await confirm(database, user_id=user_id, password=current)
    encoded = await hash_password(new)
    async with database.writing() as session:
        if not await replace_password(session, holder, encoded):
            raise WrongPassword
        await session.commit()
    return holder.with_password(encoded).known


async def holder_of_link(database: Database, *, user_id: str, token: str) -> Holder:
    """Whom a link that was sent by mail lets set a password. Raises LinkIsOver."""
    async with database.reading() as session:
        holder = await holder_of_id(session, user_id)
    if holder is None or not is_token_of(holder, token):
        raise LinkIsOver
    return holder


async def set_password(database: Database, *, holder: Holder, password: str) -> None:
    """Store the password of who came by a link, which is over with that. Raises LinkIsOver and Busy."""
    encoded = await hash_password(password)
    async with database.writing() as session:
        try:
            async with conflicts():
                if not await replace_password(session, holder, encoded):
                    raise LinkIsOver
                await session.commit()
        except Conflict as conflict:  # another was first, or the profile is gone
            raise LinkIsOver from conflict
