"""Assessments in progress and the AI-R scores that came of them; both end with their user."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Float, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from qulab.db.base import ID_LENGTH, Base, TimestampMixin, new_id

if TYPE_CHECKING:
    from accounts.models import User


class Assessment(TimestampMixin, Base):
    """One person's run through one component of the test. `current_ability` is θ, on the scale of N(0, 1)."""

    __tablename__ = "assessments"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    status: Mapped[str] = mapped_column(String(20), default="in_progress")
    component: Mapped[str] = mapped_column(String(50))
    current_ability: Mapped[float] = mapped_column(Float, default=0.0)
    items_administered: Mapped[int] = mapped_column(Integer, default=0)
    # Counts the changes: who saves a form that is older than the row is told, and overwrites nothing.
    version: Mapped[int] = mapped_column(Integer, default=1, server_default=text("1"))

    __mapper_args__ = {"version_id_col": version}

    user: Mapped["User"] = relationship(back_populates="assessments", lazy="raise")


class AIRScore(TimestampMixin, Base):
    """One calculated score, all parts on 0–100, with what is needed to calculate it again."""

    __tablename__ = "air_scores"
    __table_args__ = (
        # The latest score of a user is one step in this index.
        Index("ix_air_scores_user_created", "user_id", "created_at"),
        # Scores from high to low, page by page; the id breaks ties.
        Index("ix_air_scores_score_id", "air_score", "id"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
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
