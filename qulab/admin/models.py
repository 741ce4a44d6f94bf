"""What was changed by whom, written in the transaction of the change itself: both are stored, or neither."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from qulab.db.base import ID_LENGTH, Base, TimestampMixin, new_id

if TYPE_CHECKING:
    from accounts.models import User


class Audit(TimestampMixin, Base):
    """One change, or one bulk of them.

    `actor_id` is a user, who may be gone by now; without one, `via` says who it was. `changes` holds the values before
    and after of each changed field; `filter` what a bulk was asked for. `row_id` is empty for a bulk.
    """

    __tablename__ = "audit"
    __table_args__ = (
        # The changes of one row, of one list, of one person: the newest first, as ids are in the order of time.
        Index("ix_audit_row", "list_name", "row_id", "id"),
        Index("ix_audit_actor_id", "actor_id", "id"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    actor_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    via: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(40))
    list_name: Mapped[str] = mapped_column(String(40))
    row_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    rows: Mapped[int] = mapped_column(Integer, default=1)
    changes: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    filter: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    reason: Mapped[str] = mapped_column(Text, default="")

    actor: Mapped["User | None"] = relationship(
        "User", primaryjoin="foreign(Audit.actor_id) == User.id", viewonly=True, lazy="raise"
    )
