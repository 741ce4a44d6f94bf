"""The users as the peers see them: a model of their own on the table of the product, written as their guides do."""

import os
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str]
    name: Mapped[str]
    occupation_code: Mapped[str | None]
    education_level: Mapped[str | None]
    years_experience: Mapped[float | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int]


engine = create_async_engine(
    os.environ["PEER_DATABASE_URL"],
    pool_size=int(os.environ["PEER_POOL_SIZE"]),
    max_overflow=int(os.environ["PEER_MAX_OVERFLOW"]),
)
sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
