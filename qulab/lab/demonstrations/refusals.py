"""What the schema refuses is really tried, in a transaction that the refusal ends: no row comes of it."""

from collections.abc import Awaitable

import msgspec
from sqlalchemy import ColumnElement, func, or_, select

from accounts.models import User
from accounts.repositories import UserRepository
from accounts.snapshots import UserSnapshot
from assessments.models import AIRScore, Assessment, Response, Sitting
from assessments.repositories import AIRScoreRepository
from outbox.models import DomainEvent
from qulab.db.base import Base, new_id
from qulab.db.engine import Database
from qulab.db.errors import Conflict
from qulab.db.probe import Statement, probe
from qulab.db.session import Session
from qulab.lab.runs import Kind


class Refusal(msgspec.Struct, frozen=True):
    """`tried` is the value that was refused; `words` are the database's own; `before` and `after` count the rows."""

    table: str
    tried: str
    constraint: str | None
    field: str | None
    words: str
    before: int
    after: int
    statements: list[Statement]


class WouldGo(msgspec.Struct, frozen=True):
    """What deleting the user would take along, and what would stay."""

    user: UserSnapshot
    assessments: int
    scores: int
    events: int
    statements: list[Statement]
    sittings: int = 0  # runs that were saved before there were tests do not have these
    responses: int = 0


DUPLICATE = Kind(1, "duplicate", Refusal)
ORPHAN = Kind(1, "orphan", Refusal)
WOULD_GO = Kind(1, "would-go", WouldGo)


async def store_address_again(session: Session, database: Database, user_id: str) -> Refusal:
    """Raises NotFound."""
    email = (await UserRepository(session).one(user_id)).email
    again = User(email=email, name="Somebody Else")
    return await _refused(session, database, User, UserRepository(session).add(again), email)


async def score_nobody(session: Session, database: Database) -> Refusal:
    """A score whose user is not there."""
    nobody = new_id()
    parts = dict.fromkeys(("air_score", "vr_score", "hr_score", "synergy_score", "ci_lower", "ci_upper"), 50.0)
    score = AIRScore(user_id=nobody, occupation_code="15-1252", parameter_version="lab", **parts)
    return await _refused(session, database, AIRScore, AIRScoreRepository(session).add(score), nobody)


async def _refused(
    session: Session, database: Database, model: type[Base], attempt: Awaitable[object], tried: str
) -> Refusal:
    before = await _count(session, model)
    with probe(database.engine) as opened:
        try:
            await attempt
        except Conflict as conflict:
            refused = conflict
        else:
            await session.rollback()
            raise AssertionError(f"{model.__tablename__} took {tried}: the schema lost a constraint")
    await session.rollback()
    return Refusal(
        table=model.__tablename__,
        tried=tried,
        constraint=refused.constraint,
        field=refused.field,
        words=_words(refused),
        before=before,
        after=await _count(session, model),
        statements=opened.statements,
    )


def _words(conflict: Conflict) -> str:
    """What the database said, without the wrapping of its drivers."""
    original = getattr(conflict.__cause__, "orig", None)
    return str(original).splitlines()[0].rpartition(">: ")[2] if original else str(conflict)


async def _count(session: Session, model: type[Base], *conditions: ColumnElement[bool]) -> int:
    return await session.scalar(select(func.count()).select_from(model).where(*conditions)) or 0


async def would_go(session: Session, database: Database, user_id: str) -> WouldGo:
    """Counts alone: nothing is deleted. Raises NotFound."""
    user = await UserRepository(session).one(user_id)
    owned = {model: select(model.id).where(model.user_id == user_id) for model in (AIRScore, Assessment)}
    about_them = or_(DomainEvent.aggregate_id == user_id, *map(DomainEvent.aggregate_id.in_, owned.values()))
    with probe(database.engine) as opened:
        sittings = await _count(session, Sitting, Sitting.user_id == user_id)
        assessments = await _count(session, Assessment, Assessment.user_id == user_id)
        responses = await _count(session, Response, Response.assessment_id.in_(owned[Assessment]))
        scores = await _count(session, AIRScore, AIRScore.user_id == user_id)
        events = await _count(session, DomainEvent, about_them)
    counted = {"sittings": sittings, "assessments": assessments, "responses": responses, "scores": scores}
    return WouldGo(user=UserSnapshot.of(user), events=events, statements=opened.statements, **counted)
