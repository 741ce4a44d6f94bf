"""What a person is told of their own account: frozen values, one statement each, and no hash."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import func, select

from accounts.models import Credentials, User
from accounts.snapshots import UserSnapshot
from qulab.db.engine import Database
from qulab.db.errors import NotFound
from qulab.db.session import Session


class Account(msgspec.Struct, frozen=True):
    user: UserSnapshot
    is_staff: bool
    last_sign_in_at: datetime | None


class Belongings(msgspec.Struct, frozen=True):
    """How many rows go with an account."""

    assessments: int
    scores: int


async def account_of(session: Session, user_id: str) -> Account:
    """Raises NotFound."""
    statement = select(User, Credentials.is_staff, Credentials.last_sign_in_at).join(Credentials)
    found = (await session.execute(statement.where(User.id == user_id))).one_or_none()
    if found is None:
        raise NotFound(User, user_id)
    return Account(UserSnapshot.of(found.User), found.is_staff, found.last_sign_in_at)


async def belongings_of(session: Session, user_id: str) -> Belongings:
    """Counted where they are stored: the models of other apps are known by the relationships alone."""
    counts = [
        select(func.count()).where(owned_by(model, user_id)).scalar_subquery()
        for model in (related_model("assessments"), related_model("scores"))
    ]
    return Belongings(*(await session.execute(select(*counts))).one())


async def id_of(database: Database, email: str) -> str | None:
    """Of the profile with this address, in a session that is over when this returns."""
    async with database.reading() as session:
        found: str | None = await session.scalar(select(User.id).where(User.email == email))
    return found


def related_model(relationship: str) -> Any:
    """The model of what belongs to a user."""
    return User.__mapper__.relationships[relationship].mapper.class_


def owned_by(model: Any, user_id: str) -> Any:
    return model.user_id == user_id
