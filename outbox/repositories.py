"""Events as services and pages read and change them, and the inbox of the consumer groups."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, literal, literal_column, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from outbox.models import DEAD, DomainEvent, InboxEntry, Status
from qulab.db.base import utcnow
from qulab.db.repository import BaseRepository


class DomainEventRepository(BaseRepository[DomainEvent]):
    async def get_pending_events(self, limit: int = 10) -> Sequence[DomainEvent]:
        """The oldest pending events first."""
        return await self.list(
            DomainEvent.status == Status.PENDING,
            order_by=[DomainEvent.created_at, DomainEvent.seq],
            limit=limit,
        )

    async def mark_as_published(self, event_ids: Sequence[str], *, now: datetime | None = None) -> int:
        """Mark in one statement; returns how many were pending until now."""
        statement = (
            update(DomainEvent)
            .where(DomainEvent.id.in_(event_ids), DomainEvent.status == Status.PENDING)
            .values(status=Status.PUBLISHED, published_at=now or utcnow())
            .execution_options(synchronize_session=False)
        )
        result = await self.session.execute(statement)
        return int(result.rowcount)  # type: ignore[attr-defined]

    async def redrive(self, *where: ColumnElement[bool]) -> int:
        """Dead letters to pending, as if never tried; the last error stays to be read."""
        fresh = {"status": Status.PENDING, "attempts": 0, "next_attempt_at": None}
        return await self._change(DomainEvent.status == DEAD, *where, values=fresh)

    async def replay(self, *where: ColumnElement[bool]) -> int:
        """Published events to pending. Without a batch they are no part of what a recovery compares."""
        fresh = {"status": Status.PENDING, "attempts": 0, "published_at": None, "stream_id": None, "batch": None}
        return await self._change(DomainEvent.status == Status.PUBLISHED, *where, values=fresh)

    async def discard(self, *where: ColumnElement[bool], reason: str) -> int:
        """Dead letters to discarded, the reason in front of the error that it answers."""
        said = literal(f"Discarded: {reason}. Before that: ") + DomainEvent.last_error
        values = {"status": Status.DISCARDED, "last_error": said}
        return await self._change(DomainEvent.status == DEAD, *where, values=values)

    async def prune(
        self, status: Status, *, before: datetime, since: datetime | None, limit: int
    ) -> Sequence[datetime]:
        """Delete some events that were created and came to an end before `before`, the oldest first, from `since` on.

        Returns when those that went were created: where the next batch may begin. Rows that somebody else is changing
        are passed over, and not waited for.
        """
        old = past_retention(status, before)
        if since is not None:
            old.append(DomainEvent.created_at >= since)  # or each batch would begin among the rows that are gone
        doomed = select(DomainEvent.id).where(*old).order_by(DomainEvent.created_at).limit(limit)
        doomed_ids = doomed.with_for_update(skip_locked=True).cte("doomed")
        result = await self.session.scalars(
            delete(DomainEvent)
            .where(DomainEvent.id.in_(select(doomed_ids.c.id)))
            .returning(DomainEvent.created_at)
            .execution_options(synchronize_session=False)
        )
        return result.all()

    async def _change(self, *where: ColumnElement[bool], values: dict[str, Any]) -> int:
        statement = update(DomainEvent).where(*where).values(values).execution_options(synchronize_session=False)
        return int((await self.session.execute(statement)).rowcount)  # type: ignore[attr-defined]


class InboxRepository(BaseRepository[InboxEntry]):
    async def enter(self, consumer_group: str, event_id: str, event_type: str) -> bool:
        """Note that the group handles this event. False: it did so before."""
        insert = postgresql.insert if self.session.get_bind().dialect.name == "postgresql" else sqlite.insert
        result = await self.session.execute(
            insert(InboxEntry)
            .values(consumer_group=consumer_group, event_id=event_id, event_type=event_type, processed_at=utcnow())
            .on_conflict_do_nothing()
        )
        return bool(result.rowcount)  # type: ignore[attr-defined]

    async def prune(self, *, before: datetime, limit: int) -> int:
        """Forget some events that were handled before `before` and are no longer in the outbox; returns how many."""
        gone = ~select(literal(1)).where(DomainEvent.id == InboxEntry.event_id).exists()
        doomed = (
            select(InboxEntry.consumer_group, InboxEntry.event_id)
            .where(InboxEntry.processed_at < before, gone)
            .order_by(InboxEntry.processed_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("doomed")
        )
        key = tuple_(InboxEntry.consumer_group, InboxEntry.event_id)
        result = await self.session.scalars(
            delete(InboxEntry)
            .where(key.in_(select(doomed.c.consumer_group, doomed.c.event_id)))
            .returning(InboxEntry.event_id)  # SQLite's driver counts no rows of a statement that begins with WITH
            .execution_options(synchronize_session=False)
        )
        return len(result.all())

    async def latest(self, limit: int = 20) -> Sequence[InboxEntry]:
        return await self.list(order_by=[InboxEntry.processed_at.desc()], limit=limit)


def past_retention(status: Status, before: datetime) -> list[ColumnElement[bool]]:
    """Events that were created and came to this end before `before`. The status is a literal, for the index on it."""
    ended_at = DomainEvent.published_at if status is Status.PUBLISHED else DomainEvent.updated_at
    is_status = DomainEvent.status == literal_column(f"'{status}'")
    return [is_status, DomainEvent.created_at < before, ended_at < before]
