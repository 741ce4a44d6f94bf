"""A sitting is one run through the whole test, an assessment its run through one component, a response one question.

A question is shown when its response is stored without an answer, so a crash forgets none. What may not be is refused
by a constraint: an item twice in an assessment, two questions at one position or at once, two open sittings of one
person, two scores of one sitting. All of it ends with its user.
"""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Boolean, CheckConstraint, Float, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from qulab.db.base import ID_LENGTH, Base, TimestampMixin, UTCDateTime, new_id

if TYPE_CHECKING:
    from accounts.models import User


class Status(StrEnum):
    """Of a sitting and of an assessment. What is abandoned is not gone on with, and has no result."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    ABANDONED = "abandoned"


IS_OPEN = text("status = 'in_progress'")
IS_PENDING = text("answered_at IS NULL")
OF_A_SITTING = text("sitting_id IS NOT NULL")


class Sitting(TimestampMixin, Base):
    """One person's run through all components, on one version of the item bank and for one occupation."""

    __tablename__ = "sittings"
    __table_args__ = (
        CheckConstraint("status IN ('in_progress', 'completed', 'abandoned')", name="status"),
        Index("uq_sittings_open_user_id", "user_id", unique=True, sqlite_where=IS_OPEN, postgresql_where=IS_OPEN),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    status: Mapped[str] = mapped_column(String(20), default=Status.IN_PROGRESS)
    occupation_code: Mapped[str] = mapped_column(String(20))
    bank_version: Mapped[str] = mapped_column(String(20))
    bank_sha256: Mapped[str] = mapped_column(String(64))
    seed: Mapped[str] = mapped_column(String(32))  # what chance decides in it follows from this
    completed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    user: Mapped["User"] = relationship(back_populates="sittings", lazy="raise")


class Assessment(TimestampMixin, Base):
    """One person's run through one component of the test. `current_ability` is θ, on the scale of N(0, 1)."""

    __tablename__ = "assessments"
    __table_args__ = (
        Index(
            "uq_assessments_sitting_component",
            "sitting_id",
            "component",
            unique=True,
            sqlite_where=OF_A_SITTING,
            postgresql_where=OF_A_SITTING,
        ),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    # Rows from before there were sittings, and those of `manage.py seed`, have none.
    sitting_id: Mapped[str | None] = mapped_column(ForeignKey("sittings.id", ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(String(20), default=Status.IN_PROGRESS)
    component: Mapped[str] = mapped_column(String(50))
    current_ability: Mapped[float] = mapped_column(Float, default=0.0)
    posterior_sd: Mapped[float] = mapped_column(Float, default=1.0, server_default=text("1.0"))
    items_administered: Mapped[int] = mapped_column(Integer, default=0)  # those that were answered
    # Counts the changes: who saves a form that is older than the row is told, and overwrites nothing.
    version: Mapped[int] = mapped_column(Integer, default=1, server_default=text("1"))

    __mapper_args__ = {"version_id_col": version}

    user: Mapped["User"] = relationship(back_populates="assessments", lazy="raise")


class Response(TimestampMixin, Base):
    """A question that was shown, from when it was chosen (`created_at`), and what was answered.

    `theta` and `posterior_sd` are the estimate after the answer; `candidates` the items it was drawn from.
    """

    __tablename__ = "responses"
    __table_args__ = (
        CheckConstraint("(answered_at IS NULL) = (is_right IS NULL)", name="answered"),
        Index("uq_responses_assessment_item", "assessment_id", "item_id", unique=True),
        Index("uq_responses_assessment_position", "assessment_id", "position", unique=True),
        Index(
            "uq_responses_pending", "assessment_id", unique=True, sqlite_where=IS_PENDING, postgresql_where=IS_PENDING
        ),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    assessment_id: Mapped[str] = mapped_column(ForeignKey("assessments.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)  # from 1
    item_id: Mapped[str] = mapped_column(String(20))
    candidates: Mapped[list[str]] = mapped_column(JSON)
    answer: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    is_right: Mapped[bool | None] = mapped_column(Boolean)
    theta: Mapped[float | None] = mapped_column(Float)
    posterior_sd: Mapped[float | None] = mapped_column(Float)
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class AIRScore(TimestampMixin, Base):
    """One calculated score, all parts on 0–100, with what is needed to calculate it again."""

    __tablename__ = "air_scores"
    __table_args__ = (
        # The latest score of a user is one step in this index.
        Index("ix_air_scores_user_created", "user_id", "created_at"),
        # Scores from high to low, page by page; the id breaks ties.
        Index("ix_air_scores_score_id", "air_score", "id"),
        Index(
            "uq_air_scores_sitting_id",
            "sitting_id",
            unique=True,
            sqlite_where=OF_A_SITTING,
            postgresql_where=OF_A_SITTING,
        ),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    # A score that was not tested for, of given abilities, has none.
    sitting_id: Mapped[str | None] = mapped_column(ForeignKey("sittings.id", ondelete="SET NULL"))
    occupation_code: Mapped[str] = mapped_column(String(20))
    air_score: Mapped[float] = mapped_column(Float)
    vr_score: Mapped[float] = mapped_column(Float)
    hr_score: Mapped[float] = mapped_column(Float)
    synergy_score: Mapped[float] = mapped_column(Float)
    ci_lower: Mapped[float] = mapped_column(Float)
    ci_upper: Mapped[float] = mapped_column(Float)
    parameter_version: Mapped[str] = mapped_column(String(20))
    calculation_metadata: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    user: Mapped["User"] = relationship(back_populates="scores", lazy="raise")
