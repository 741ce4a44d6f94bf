"""Tests of a person and the scores of a user, the latest first. A question is answered once, whoever tries twice."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, select, update

from assessments.models import AIRScore, Assessment, Response, Sitting, Status
from qulab.db.base import utcnow
from qulab.db.repository import BaseRepository

OF_SITTING = (
    Sitting.id.label("sitting_id"),
    Sitting.status,
    Sitting.occupation_code,
    Sitting.bank_version,
    Sitting.seed,
)
OF_ASSESSMENT = (Assessment.id.label("assessment_id"), Assessment.component)
OF_RESPONSE = (Response.id.label("question"), Response.item_id, Response.answer, Response.is_right)
LATEST_FIRST = (AIRScore.created_at.desc(), AIRScore.id.desc())  # ids break a tie of two scores in one microsecond


class AssessmentRepository(BaseRepository[Assessment]):
    async def list_for_user(self, user_id: str, limit: int = 20) -> Sequence[Assessment]:
        return await self.list(Assessment.user_id == user_id, limit=limit)

    async def advance(self, assessment_id: str, **values: Any) -> bool:
        """Store how far an assessment is; False where it is in progress no longer."""
        open_one = (Assessment.id == assessment_id, Assessment.status == Status.IN_PROGRESS)
        return bool(await self.update(*open_one, **values))

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
        return next(iter(await self.list_for_user(user_id, limit=1)), None)

    async def list_for_user(self, user_id: str, limit: int = 20) -> Sequence[AIRScore]:
        return await self.list(AIRScore.user_id == user_id, order_by=LATEST_FIRST, limit=limit)

    async def remove(self, *where: ColumnElement[bool]) -> Mapping[str, str]:
        """Delete; returns whose each of them was, by its id."""
        gone = await self.session.execute(delete(AIRScore).where(*where).returning(AIRScore.id, AIRScore.user_id))
        return {row.id: row.user_id for row in gone}


class SittingRepository(BaseRepository[Sitting]):
    async def whole(self, user_id: str, *where: ColumnElement[bool]) -> Sequence[Row[Any]]:
        """A person's own sitting, a row for each question that was shown, in their order.

        Empty where there is none, or where it is another person's: the one is not told from the other.
        """
        statement = (
            select(*OF_SITTING, *OF_ASSESSMENT, *OF_RESPONSE)  # not whole rows: 45 of them are read at each step
            .join(Assessment, Assessment.sitting_id == Sitting.id)
            .join(Response, Response.assessment_id == Assessment.id)
            .where(Sitting.user_id == user_id, *where)
            .order_by(Assessment.id, Response.position)
        )
        return (await self.session.execute(statement)).all()

    async def open_of(self, user_id: str) -> Sitting | None:
        return next(iter(await self.list(Sitting.user_id == user_id, Sitting.status == Status.IN_PROGRESS)), None)

    async def complete(self, sitting_id: str) -> bool:
        """End a sitting that is in progress; False where it was ended meanwhile."""
        open_one = (Sitting.id == sitting_id, Sitting.status == Status.IN_PROGRESS)
        return bool(await self.update(*open_one, status=Status.COMPLETED, completed_at=utcnow()))

    async def abandon(self, *where: ColumnElement[bool]) -> Sequence[str]:
        """End those of these that are in progress; returns their ids."""
        statement = update(Sitting).where(*where, Sitting.status == Status.IN_PROGRESS)
        ended = statement.values(status=Status.ABANDONED).returning(Sitting.id)
        return (await self.session.scalars(ended)).all()


class ResponseRepository(BaseRepository[Response]):
    async def answer(self, question: str, **values: Any) -> bool:
        """Store the answer to a question that has none; False where another was first.

        The condition is the statement's own, so of two at once the database lets one through.
        """
        pending = (Response.id == question, Response.answered_at.is_(None))
        return bool(await self.update(*pending, answered_at=utcnow(), **values))
