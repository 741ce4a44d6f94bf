"""advanced-alchemy's repository as its documentation uses it, on a session and the model of this project."""

from collections.abc import Sequence
from typing import Any

from advanced_alchemy.filters import LimitOffset, OrderBy
from advanced_alchemy.repository import SQLAlchemyAsyncRepository

from accounts.models import User
from qulab.db.session import Session
from qulab.lab.experiments.repository_ways import PAGE, OnSession, Place, Row

NEWEST_FIRST = OrderBy("id", "desc")


class Users(SQLAlchemyAsyncRepository[User]):
    model_type = User


class AdvancedAlchemy(OnSession):
    name = "advanced-alchemy"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.users = Users(session=session)

    async def get(self, key: str) -> Any:
        return await self.users.get(key)

    async def newest(self, limit: int) -> Sequence[Any]:
        return await self.users.get_many(LimitOffset(limit, 0), NEWEST_FIRST)

    async def page(self, place: Place) -> Sequence[Any]:
        return await self.users.get_many(LimitOffset(PAGE, place.offset), NEWEST_FIRST)

    async def add_many(self, rows: Sequence[Row]) -> None:
        await self.users.add_many([User(**row) for row in rows])

    async def upsert(self, row: Row) -> Any:
        return await self.users.upsert(User(**row), match_fields=["email"])
