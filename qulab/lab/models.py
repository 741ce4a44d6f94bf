"""A result shown in the lab is a row: it has an address, and says with what input and where it was measured."""

from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from qulab.db.base import ID_LENGTH, Base, TimestampMixin, new_id


class Run(TimestampMixin, Base):
    """One execution of a demonstration or experiment."""

    __tablename__ = "lab_runs"
    __table_args__ = (Index("ix_lab_runs_experiment_created", "experiment", "created_at"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    experiment: Mapped[str] = mapped_column(String(50))
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    result: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    environment: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
