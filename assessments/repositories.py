"""Assessments and scores of a user, the latest first."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, delete

from assessments.models import AIRScore, Assessment
from qulab.db.repository import BaseRepository

LATEST_FIRST = (AIRScore.created_at.desc(), AIRScore.id.desc())  # ids break a tie of two scores in one microsecond


class AssessmentRepository(BaseRepository[Assessment]):
    async def list_for_user(self, user_id: str, limit: int = 20) -> Sequence[Assessment]:
        return await self.list(Assessment.user_id == user_id, limit=limit)

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
