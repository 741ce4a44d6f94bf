"""Users by id, by address, and with what belongs to them: one statement for each relationship, however many rows."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import selectinload

from accounts.models import User
from qulab.db.repository import BaseRepository


class UserRepository(BaseRepository[User]):
    async def get_by_email(self, email: str) -> User | None:
        return (await self.session.scalars(select(User).where(User.email == email))).one_or_none()

    async def get_user_with_scores_eager(self, user_id: str) -> User | None:
        """The user with all scores, in two statements."""
        return await self.get_by_id(user_id, selectinload(User.scores))

    async def recent(self, limit: int = 20) -> Sequence[User]:
        # Ids are in the order of time, and the primary key has them sorted.
        return await self.list(order_by=[User.id.desc()], limit=limit)

    async def remove(self, *where: ColumnElement[bool]) -> Sequence[str]:
        """Delete in the database, which cascades; returns the ids of who is gone."""
        return (await self.session.scalars(delete(User).where(*where).returning(User.id))).all()
