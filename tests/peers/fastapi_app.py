"""FastAPI with SQLAlchemy: a session as a dependency, a response model."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

from tests.peers.tables import User, sessions

app = FastAPI()


class UserOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    email: str
    name: str
    occupation_code: str | None
    education_level: str | None
    years_experience: float | None
    created_at: datetime
    updated_at: datetime
    version: int


async def get_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


@app.get("/users/{user_id}")
async def read_user(user_id: str, session: Annotated[AsyncSession, Depends(get_session)]) -> UserOut:
    user = await session.get(User, user_id)
    if user is None:
        raise HTTPException(404)
    return UserOut.model_validate(user)


@app.get("/plain")
async def plain() -> dict[str, str]:
    return {"hello": "world"}
