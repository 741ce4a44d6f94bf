"""An account is a profile with credentials; each question about one is one statement, and its hash stays in here.

A hash is replaced only where it still is the one that was read: of two changes at once one is told.
"""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, select, update

from accounts.models import Credentials, User
from qulab.access.person import Known, Person, fingerprint
from qulab.db.base import utcnow
from qulab.db.session import Session

COLUMNS = (User.id, User.name, User.email, Credentials.is_staff, Credentials.password, Credentials.last_sign_in_at)


class Holder(msgspec.Struct, frozen=True):
    """Whose account it is. `password` is the hash, "" where there are no credentials yet."""

    id: str
    name: str
    email: str
    is_staff: bool
    password: str
    last_sign_in_at: datetime | None

    @property
    def known(self) -> Known:
        return Known(Person(self.id, self.name, self.email, self.is_staff), fingerprint(self.password))

    def with_password(self, encoded: str) -> "Holder":
        return msgspec.structs.replace(self, password=encoded)

    def __repr__(self) -> str:
        return f"Holder({self.id!r})"  # neither a hash nor an address in a log


async def holder_of_email(session: Session, email: str) -> Holder | None:
    return await _find(session, User.email == email)


async def holder_of_id(session: Session, user_id: str) -> Holder | None:
    return None if "\x00" in user_id else await _find(session, User.id == user_id)


async def replace_password(session: Session, holder: Holder, encoded: str) -> bool:
    """Store another hash, the first one included; False when it was changed meanwhile, and nothing is."""
    if holder.password:
        return await _change(session, holder, password=encoded)
    session.add(Credentials(user_id=holder.id, password=encoded))
    return True


async def note_sign_in(session: Session, holder: Holder, encoded: str) -> bool:
    """Store when a person signed in, and the hash where it was made anew; False as above."""
    return await _change(session, holder, password=encoded, last_sign_in_at=utcnow())


async def _change(session: Session, holder: Holder, **values: object) -> bool:
    same = (Credentials.user_id == holder.id, Credentials.password == holder.password)
    changed = await session.execute(update(Credentials).where(*same).values(**values))
    return bool(changed.rowcount)  # type: ignore[attr-defined]


async def _find(session: Session, where: ColumnElement[bool]) -> Holder | None:
    found = (await session.execute(select(*COLUMNS).outerjoin(Credentials).where(where))).one_or_none()
    return _holder(found) if found else None


def _holder(row: Row[Any]) -> Holder:
    return Holder(row.id, row.name, row.email, bool(row.is_staff), row.password or "", row.last_sign_in_at)
