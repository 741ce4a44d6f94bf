"""A result shown in the lab is a row: it has an address, and says with what input and where it was measured.

One visitor has one run under way: a partial unique index holds that, however many requests come at once.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from qulab.db.base import ID_LENGTH, Base, TimestampMixin, UTCDateTime, new_id


class RunStatus(StrEnum):
    """QUEUED and RUNNING are under way; the others are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


UNDER_WAY = (RunStatus.QUEUED, RunStatus.RUNNING)
_IS_UNDER_WAY = text("status IN ('queued', 'running')")


class Run(TimestampMixin, Base):
    """One execution of a demonstration or experiment.

    `samples` are the raw readings, `error` says why it failed. A demonstration is done when it is stored, and is
    nobody's; an experiment belongs to the `visitor` who asked for it.
    """

    __tablename__ = "lab_runs"
    __table_args__ = (
        Index("ix_lab_runs_experiment_created", "experiment", "created_at"),
        # The tabs of the list for staff: without it each count would read all results and samples.
        Index("ix_lab_runs_status_id", "status", "id"),
        Index(
            "uq_lab_runs_visitor_under_way",
            "visitor",
            unique=True,
            postgresql_where=_IS_UNDER_WAY,
            sqlite_where=_IS_UNDER_WAY,
        ),
        CheckConstraint("status IN ('queued', 'running', 'done', 'cancelled', 'failed')", name="status"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    experiment: Mapped[str] = mapped_column(String(50))
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    result: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    environment: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    status: Mapped[str] = mapped_column(String(20), default=RunStatus.DONE, server_default=text("'done'"))
    visitor: Mapped[str] = mapped_column(String(ID_LENGTH), default="", server_default=text("''"))
    samples: Mapped[list[Any]] = mapped_column(JSON, default=list, server_default=text("'[]'"))
    error: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
