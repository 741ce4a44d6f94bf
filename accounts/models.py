"""A person's profile. Credentials are not here: a profile is cached and shown, a credential never."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Boolean, Float, ForeignKey, Index, Integer, String, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from qulab.db.base import ID_LENGTH, Base, TimestampMixin, UTCDateTime, new_id

if TYPE_CHECKING:
    from assessments.models import AIRScore, Assessment, Sitting


class User(TimestampMixin, Base):
    """A person who takes assessments. Deleting one deletes their tests and scores, in ORM and database alike."""

    __tablename__ = "users"
    # Users in the order of their names, page by page; the id breaks ties.
    __table_args__ = (Index("ix_users_name_id", "name", "id"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(String(255), unique=True, index=True)
    name: Mapped[str] = mapped_column(String(255))
    occupation_code: Mapped[str | None] = mapped_column(String(20))
    education_level: Mapped[str | None] = mapped_column(String(50))
    years_experience: Mapped[float | None] = mapped_column(Float)
    # Counts the changes: who saves a form that is older than the row is told, and overwrites nothing.
    version: Mapped[int] = mapped_column(Integer, default=1, server_default=text("1"))

    __mapper_args__ = {"version_id_col": version}

    assessments: Mapped[list["Assessment"]] = relationship(
        back_populates="user", cascade="all, delete-orphan", passive_deletes=True, lazy="raise"
    )
    sittings: Mapped[list["Sitting"]] = relationship(
        back_populates="user", cascade="all, delete-orphan", passive_deletes=True, lazy="raise"
    )
    scores: Mapped[list["AIRScore"]] = relationship(
        back_populates="user", cascade="all, delete-orphan", passive_deletes=True, lazy="raise"
    )


class Credentials(TimestampMixin, Base):
    """How a person proves who they are, and what they may do. Without a row nobody can sign in as that user."""

    __tablename__ = "credentials"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    password: Mapped[str] = mapped_column(String(255))  # a hash, in the format of Django's hashers
    is_staff: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    last_sign_in_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
