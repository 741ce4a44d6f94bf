"""Constraints say which states an event may have: none is published without a time, or dead without a reason."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    ColumnElement,
    Identity,
    Index,
    Integer,
    String,
    Text,
    and_,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from qulab import trace
from qulab.db.base import ID_LENGTH, Base, TimestampMixin, UTCDateTime, new_id, utcnow


class Status(StrEnum):
    """Where an event is in its life. `discarded`: an operator gave it up, with a reason."""

    PENDING = "pending"
    PUBLISHED = "published"
    DEAD = "dead"
    DISCARDED = "discarded"


# Literals, not parameters: the planner must see that the partial indexes hold what is asked for.
PENDING: ColumnElement[str] = literal_column("'pending'")
DEAD: ColumnElement[str] = literal_column("'dead'")
DISCARDED: ColumnElement[str] = literal_column("'discarded'")
ZERO: ColumnElement[int] = literal_column("0")

# Not by `status = 'pending'`, which is the same: where PostgreSQL analysed the table with nothing pending in it, it
# would take the index of (status, created_at), and read a whole backlog for each batch.
WAITS = text("published_at IS NULL AND status NOT IN ('dead', 'discarded')")
MAY_BLOCK = text("published_at IS NULL AND status != 'discarded' AND attempts > 0")


class DomainEvent(TimestampMixin, Base):
    """A fact in the past tense, written in the transaction of the change it tells of.

    `seq` is given by the database and only increases; it is the order of publication. It is unknown to the session
    that inserted the row: on SQLite a trigger sets it after the INSERT.
    """

    __tablename__ = "domain_events"
    __table_args__ = (
        Index("ix_events_status_created", "status", "created_at"),
        # What a pass reads, and what may hold an aggregate back: both stay small however many events are published.
        Index("ix_events_due", "partition", "seq", postgresql_where=WAITS, sqlite_where=WAITS),
        Index(
            "ix_events_blocking",
            "aggregate_type",
            "aggregate_id",
            "seq",
            postgresql_where=MAY_BLOCK,
            sqlite_where=MAY_BLOCK,
        ),
        # Recovery finds the batches that Redis lost.
        Index("ix_events_batch", "partition", "batch"),
        CheckConstraint("status IN ('pending', 'published', 'dead', 'discarded')", name="status_known"),
        CheckConstraint("(status = 'published') = (published_at IS NOT NULL)", name="published_has_time"),
        CheckConstraint("status NOT IN ('dead', 'discarded') OR last_error IS NOT NULL", name="given_up_has_reason"),
    )
    # The INSERT must not ask for `seq` back: on SQLite it is not yet set when RETURNING is evaluated.
    __mapper_args__ = {"eager_defaults": False}

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    event_type: Mapped[str] = mapped_column(String(100), index=True)
    aggregate_type: Mapped[str] = mapped_column(String(100))
    aggregate_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(20), default=Status.PENDING)
    published_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    seq: Mapped[int] = mapped_column(BigInteger, Identity())
    partition: Mapped[int] = mapped_column(Integer)
    batch: Mapped[int | None] = mapped_column(BigInteger)
    schema_version: Mapped[int] = mapped_column(Integer, default=1)
    headers: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_error: Mapped[str | None] = mapped_column(Text)
    stream_id: Mapped[str | None] = mapped_column(String(40))

    @property
    def trace_id(self) -> str | None:
        """The trace that the event belongs to; None for one that was written without."""
        found = trace.parse((self.headers or {}).get("traceparent"))
        return found.id if found else None


def waits() -> ColumnElement[bool]:
    """Whether an event is pending, in the words of the partial index."""
    return and_(DomainEvent.published_at.is_(None), DomainEvent.status.not_in([DEAD, DISCARDED]))


class OutboxPartition(Base):
    """The unit of order and of locking. A relay that holds the row publishes; Redis must agree on `batch`.

    `epoch` belongs to the database: marks in Redis that another database left are not mistaken for its own.
    A recovery sets `batch` back, and begins a new `generation`, so that the pair of both never comes twice. `forks`
    keeps, for each ended generation, the batch up to which it and the next one are the same.

    The counters are of events, over all time: they move with the batch, so that they outlive relays, pruning and Redis.
    """

    __tablename__ = "outbox_partitions"

    partition: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    epoch: Mapped[str] = mapped_column(String(ID_LENGTH))
    generation: Mapped[int] = mapped_column(Integer, default=0)
    batch: Mapped[int] = mapped_column(BigInteger, default=0)
    forks: Mapped[list[int]] = mapped_column(JSON, default=list)
    paused: Mapped[bool] = mapped_column(Boolean, default=False)

    published: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    repeated: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    recovered: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    failed: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))


class InboxEntry(Base):
    """A consumer group has handled this event: its key is what makes a repeated delivery harmless."""

    __tablename__ = "inbox"

    consumer_group: Mapped[str] = mapped_column(String(100), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    event_type: Mapped[str] = mapped_column(String(100))
    processed_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow, index=True)
