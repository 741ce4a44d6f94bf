"""Tests of a person and the scores of a user, the latest first. A question is answered once, whoever tries twice."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, delete, insert, select, update

from assessments.models import AIRScore, Assessment, Response, Sitting, Status
from qulab.db.base import Base, utcnow
from qulab.db.repository import BaseRepository, conflicts

ASSESSMENTS, RESPONSES = (Base.metadata.tables[model.__tablename__] for model in (Assessment, Response))
IS_OPEN, IS_PENDING = Sitting.status == Status.IN_PROGRESS, RESPONSES.c.answered_at.is_(None)

# What each step of a test says is built once, and without the unit of work: at 5 ms a step both would be felt.
QUESTIONS = (
    select(
        Sitting.id.label("sitting_id"),
        Sitting.status,
        Sitting.occupation_code,
        Sitting.bank_version,
        Sitting.bank_sha256,
        Sitting.seed,
        Assessment.id.label("assessment_id"),
        Assessment.component,
        Response.id.label("question"),
        Response.item_id,
        Response.answer,
        Response.is_right,
    )
    .join(Assessment, Assessment.sitting_id == Sitting.id)
    .join(Response, Response.assessment_id == Assessment.id)
    .where(Sitting.user_id == bindparam("user_id"))
    .order_by(Assessment.id, Response.position)
)
QUESTIONS_OF = QUESTIONS.where(Sitting.id == bindparam("sitting_id"))
# Held until the end of the transaction: who ends the sitting meanwhile waits, and sees all that was begun in it.
QUESTIONS_OF_LOCKED = QUESTIONS_OF.with_for_update(of=Sitting)
QUESTIONS_OF_OPEN = QUESTIONS.where(IS_OPEN)
ANSWER = update(RESPONSES).where(RESPONSES.c.id == bindparam("question"), IS_PENDING)
ADVANCE = (
    update(ASSESSMENTS)
    .where(ASSESSMENTS.c.id == bindparam("assessment_id"), ASSESSMENTS.c.status == Status.IN_PROGRESS.value)
    .values(version=ASSESSMENTS.c.version + 1)
)
SHOW = insert(RESPONSES)
# In the list of a person's scores nobody asks what each was calculated from, which is most of the row.
LISTED = select(
    AIRScore.id,
    AIRScore.occupation_code,
    AIRScore.air_score,
    AIRScore.vr_score,
    AIRScore.ci_lower,
    AIRScore.ci_upper,
    AIRScore.parameter_version,
    AIRScore.created_at,
)
LATEST_FIRST = (AIRScore.created_at.desc(), AIRScore.id.desc())  # ids break a tie of two scores in one microsecond


class AssessmentRepository(BaseRepository[Assessment]):
    async def list_for_user(self, user_id: str, limit: int = 20) -> Sequence[Assessment]:
        return await self.list(Assessment.user_id == user_id, limit=limit)

    async def advance(self, assessment_id: str, **values: Any) -> bool:
        """Store how far an assessment is; False where it is in progress no longer."""
        advanced = await self.session.execute(ADVANCE, {"assessment_id": assessment_id, **values})
        return int(advanced.rowcount) == 1  # type: ignore[attr-defined]

    async def abandon(self, *where: ColumnElement[bool]) -> Mapping[str, dict[str, str]]:
        """End those of these that are in progress; returns what an event tells of each, by its id."""
        statement = update(Assessment).where(*where, Assessment.status == Status.IN_PROGRESS)
        values = {"status": Status.ABANDONED, **self._next_version()}
        ended = statement.values(values).returning(Assessment.id, Assessment.user_id, Assessment.component)
        rows = await self.session.execute(ended)
        return {row.id: {"user_id": row.user_id, "assessment_id": row.id, "component": row.component} for row in rows}

    async def remove(self, *where: ColumnElement[bool]) -> Mapping[str, str]:
        """Delete; returns whose each of them was, by its id."""
        gone = await self.session.execute(delete(Assessment).where(*where).returning(Assessment.id, Assessment.user_id))
        return {row.id: row.user_id for row in gone}


class AIRScoreRepository(BaseRepository[AIRScore]):
    async def get_latest_score(self, user_id: str) -> AIRScore | None:
        latest = await self.list(AIRScore.user_id == user_id, order_by=LATEST_FIRST, limit=1)
        return next(iter(latest), None)

    async def listed(self, user_id: str, limit: int = 20) -> Sequence[Row[Any]]:
        """What a list says of each score of a person."""
        statement = LISTED.where(AIRScore.user_id == user_id).order_by(*LATEST_FIRST).limit(limit)
        return (await self.session.execute(statement)).all()

    async def remove(self, *where: ColumnElement[bool]) -> Mapping[str, str]:
        """Delete; returns whose each of them was, by its id."""
        gone = await self.session.execute(delete(AIRScore).where(*where).returning(AIRScore.id, AIRScore.user_id))
        return {row.id: row.user_id for row in gone}


class SittingRepository(BaseRepository[Sitting]):
    async def questions(self, user_id: str, sitting_id: str, *, lock: bool = False) -> Sequence[Row[Any]]:
        """A person's own sitting, a row for each question that was shown, in their order.

        Empty where there is none, or where it is another person's: the one is not told from the other. With `lock`
        nobody else changes the sitting until this transaction ends.
        """
        if "\x00" in sitting_id:
            return []  # PostgreSQL has no such text, and would call the question malformed
        statement = QUESTIONS_OF_LOCKED if lock else QUESTIONS_OF
        found = await self.session.execute(statement, {"user_id": user_id, "sitting_id": sitting_id})
        return found.all()

    async def questions_of_open(self, user_id: str) -> Sequence[Row[Any]]:
        """The same of the sitting that is in progress."""
        return (await self.session.execute(QUESTIONS_OF_OPEN, {"user_id": user_id})).all()

    async def open_of(self, user_id: str) -> Sitting | None:
        return next(iter(await self.list(Sitting.user_id == user_id, IS_OPEN)), None)

    async def complete(self, sitting_id: str) -> bool:
        """End a sitting that is in progress; False where it was ended meanwhile."""
        return bool(
            await self.update(Sitting.id == sitting_id, IS_OPEN, status=Status.COMPLETED, completed_at=utcnow())
        )

    async def abandon(self, *where: ColumnElement[bool]) -> Sequence[str]:
        """End those of these that are in progress; returns their ids."""
        statement = update(Sitting).where(*where, IS_OPEN)
        ended = statement.values(status=Status.ABANDONED).returning(Sitting.id)
        return (await self.session.scalars(ended)).all()


class ResponseRepository(BaseRepository[Response]):
    async def answer(self, question: str, **values: Any) -> bool:
        """Store the answer to a question that has none; False where another was first.

        The condition is the statement's own, so of two at once the database lets one through.
        """
        stored = await self.session.execute(ANSWER, {"question": question, "answered_at": utcnow(), **values})
        return int(stored.rowcount) == 1  # type: ignore[attr-defined]

    async def show(self, **values: Any) -> None:
        """Store a question before it is shown. Raises Conflict for an item or a position that was used."""
        async with conflicts():
            await self.session.execute(SHOW, values)
