"""Each type of relationship is shown with what SQLAlchemy makes of it here: its SQL, and rows that are there now.

One-to-many and many-to-one are the product's own. The other two are declared in this file, to look through only: the
tables hold such pairs, but the product never walks them.
"""

from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Dialect, Select, String, func, literal_column, select
from sqlalchemy.orm import foreign, registry, relationship

from accounts.models import User
from assessments.models import AIRScore, Assessment
from outbox.models import DomainEvent, InboxEntry
from qulab.db.base import Base
from qulab.db.session import Session

SCORES, EVENTS, INBOX = (Base.metadata.tables[one.__tablename__] for one in (AIRScore, DomainEvent, InboxEntry))
# A column by its text: one that SQLAlchemy knew for the inbox's own, it would put on both sides of the join.
NAME = literal_column("consumer_group", String).label("name")
GROUPS = select(NAME).select_from(INBOX).distinct().subquery("consumer_groups")
looking = registry()


class Told:
    """An event; `groups` of consumers have handled it."""

    groups: Any


class Group:
    """A group of consumers. The inbox is the table of pairs between groups and events."""


class Result:
    """A score; `event` is the one that tells of it."""

    event: Any


@lru_cache(maxsize=1)
def declared() -> registry:
    """One-to-one: `uselist=False`. Many-to-many: `secondary`, the table of pairs."""
    event_of_score = SCORES.c.id == foreign(EVENTS.c.aggregate_id)
    groups_of_event = relationship(
        Group,
        secondary=INBOX,
        primaryjoin=EVENTS.c.id == foreign(INBOX.c.event_id),
        secondaryjoin=foreign(INBOX.c.consumer_group) == GROUPS.c.name,
        viewonly=True,
    )
    looking.map_imperatively(Told, EVENTS, properties={"groups": groups_of_event})
    looking.map_imperatively(Group, GROUPS, primary_key=[GROUPS.c.name])
    event = relationship(Told, primaryjoin=event_of_score, uselist=False, viewonly=True)
    looking.map_imperatively(Result, SCORES, properties={"event": event})
    return looking


class Joins(msgspec.Struct, frozen=True):
    """What each type of relationship becomes in SQL."""

    one_to_many: str
    many_to_one: str
    one_to_one: str
    many_to_many: str


def joins(dialect: Dialect) -> Joins:
    declared()
    return Joins(
        _sql(select(func.count()).select_from(User).join(User.scores), dialect),
        _sql(select(func.count()).select_from(AIRScore).join(AIRScore.user), dialect),
        _sql(select(func.count()).select_from(Result).join(Result.event), dialect),
        _sql(select(func.count()).select_from(Told).join(Told.groups), dialect),
    )


def _sql(statement: Select[Any], dialect: Dialect) -> str:
    """From FROM on: what is selected says nothing about the relationship."""
    return "FROM " + " ".join(str(statement.compile(dialect=dialect)).split()).partition(" FROM ")[2]


class Live(msgspec.Struct, frozen=True):
    """Rows that are related now: those about the newest score. All empty while there is none."""

    user: str = ""
    scores: int = 0
    assessments: int = 0
    score_id: str = ""
    event_id: str = ""
    groups: int = 0


async def live(session: Session, among: Select[Any] | None = None) -> Live:
    """One statement. `among`: ids and times of the scores to choose from; without it, all of them."""
    told = select(EVENTS.c.id).where(EVENTS.c.aggregate_id == AIRScore.id).limit(1)
    event = told.correlate(AIRScore).scalar_subquery()
    newest = _newest(among).scalar_subquery()
    found = await session.execute(
        select(
            User.name,
            select(func.count()).where(SCORES.alias().c.user_id == User.id).scalar_subquery(),
            select(func.count()).where(Assessment.user_id == User.id).scalar_subquery(),
            AIRScore.id,
            func.coalesce(event, ""),
            select(func.count()).where(INBOX.c.event_id == event).scalar_subquery(),
        )
        .join(AIRScore.user)
        .where(AIRScore.id == newest)
    )
    row = found.first()
    return Live(*row) if row else Live()


def _newest(among: Select[Any] | None) -> Select[tuple[str]]:
    if among is None:
        return select(AIRScore.id).order_by(AIRScore.id.desc()).limit(1)
    some = among.subquery()
    return select(some.c.id).order_by(some.c.created_at.desc()).limit(1)
