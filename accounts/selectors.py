"""What a person is told of their own account: frozen values, one statement each, and no hash."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, func, select

from accounts.models import Credentials, User
from accounts.snapshots import UserSnapshot
from qulab.db.base import Base
from qulab.db.engine import Database
from qulab.db.errors import NotFound
from qulab.db.session import Session


class Account(msgspec.Struct, frozen=True):
    user: UserSnapshot
    is_staff: bool
    last_sign_in_at: datetime | None


class Belongings(msgspec.Struct, frozen=True):
    """How many rows go with an account; their names and order are those in which an export has them too."""

    sittings: int
    assessments: int
    responses: int
    scores: int


async def account_of(session: Session, user_id: str) -> Account:
    """Raises NotFound."""
    statement = select(User, Credentials.is_staff, Credentials.last_sign_in_at).join(Credentials)
    found = (await session.execute(statement.where(User.id == user_id))).one_or_none()
    if found is None:
        raise NotFound(User, user_id)
    return Account(UserSnapshot.of(found.User), found.is_staff, found.last_sign_in_at)


async def belongings_of(session: Session, user_id: str) -> Belongings:
    counts = [
        select(func.count()).select_from(model).where(where).scalar_subquery()
        for model, where in owned(user_id).values()
    ]
    return Belongings(*(await session.execute(select(*counts))).one())


async def id_of(database: Database, email: str) -> str | None:
    """Of the profile with this address, in a session that is over when this returns."""
    async with database.reading() as session:
        found: str | None = await session.scalar(select(User.id).where(User.email == email))
    return found


def owned(user_id: str) -> dict[str, tuple[Any, ColumnElement[bool]]]:
    """By the names of Belongings: a model, and which of its rows are this person's.

    The models of other apps are known by their tables alone.
    """
    sittings, assessments, responses, scores = map(_model_of, ("sittings", "assessments", "responses", "air_scores"))
    theirs = select(assessments.id).where(assessments.user_id == user_id)
    return {
        "sittings": (sittings, sittings.user_id == user_id),
        "assessments": (assessments, assessments.user_id == user_id),
        "responses": (responses, responses.assessment_id.in_(theirs)),
        "scores": (scores, scores.user_id == user_id),
    }


def _model_of(table: str) -> Any:
    return next(one.class_ for one in Base.registry.mappers if one.local_table is Base.metadata.tables[table])
