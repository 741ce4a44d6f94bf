"""In a database of its own the lab may do everything; in the application's it touches and shows its own users alone.

Whatever of the lab changes rows, or shows whose they are, asks here first.
"""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from sqlalchemy import Select, exists, or_, select, union_all

from accounts.models import User
from accounts.repositories import UserRepository
from accounts.services import LAB_ADDRESSES, create_sample_users
from accounts.snapshots import UserSnapshot
from assessments.models import AIRScore
from qulab.db.engine import Database
from qulab.db.middleware import DatabaseRequest
from qulab.db.session import Session
from qulab.lab import runs
from qulab.lab.audience import is_staff
from qulab.lab.sections import section

FORBIDDEN = 403
SCORES_EACH = 20  # the newest of each of the lab's users, whose events are shown

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def owns_rows() -> bool:
    """Whether all rows are the lab's: `manage.py lab` made their database for it."""
    return bool(settings.LAB_OWNS_DATABASE)


def sees_all(request: HttpRequest) -> bool:
    """Whether who asks may see rows that are not the lab's."""
    return owns_rows() or is_staff(request)


def needs_own_database(number: int) -> Callable[[View], View]:
    """A view that deletes rows, adds people or stops the relay: refused to all where the rows are not the lab's."""

    def decorate(view: View) -> View:
        @wraps(view)
        async def answer(request: DatabaseRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if owns_rows():
                return await view(request, *args, **kwargs)
            await request.db.stop_writing()
            return render(request, "lab/not_owned.html", {"section": section(number)}, status=FORBIDDEN)

        return answer

    return decorate


async def users(database: Database, session: Session, limit: int) -> list[UserSnapshot]:
    """The newest users; the lab's own where the others are people, made if they are not there."""
    if owns_rows():
        return [UserSnapshot.of(user) for user in await UserRepository(session).recent(limit)]
    found = await UserRepository(session).list(_is_own())
    if not found:
        await session.rollback()  # who waits for one connection holds no other
        async with database.writing() as making:
            await create_sample_users(making)
        found = await UserRepository(session).list(_is_own())
    return [UserSnapshot.of(user) for user in found]


async def may_use(session: Session, user_id: str) -> bool:
    """Whether the lab may read and change what belongs to this user. No statement where all users are its own."""
    if owns_rows():
        return True
    found = bool(await session.scalar(select(exists().where(User.id == user_id, _is_own()))))
    await session.rollback()  # the service begins its own transaction, and can run it again
    return found


def not_yours_to_use() -> str:
    """What is told at the field, the same for somebody who is here and for somebody who is not."""
    return _("The lab may use its own users alone here: the others are people. Choose one of those that are listed.")


async def subjects(session: Session) -> list[str]:
    """The ids that events are about which anybody may see: the lab's users, and the newest scores of each."""
    users = select(User.id).where(_is_own())
    return list(await session.scalars(union_all(users, select(own_scores(SCORES_EACH).subquery().c.id))))


async def is_about_own(session: Session, aggregate_id: str) -> bool:
    """Whether an event with this aggregate tells of the lab's own users."""
    whose = select(AIRScore.user_id).where(AIRScore.id == aggregate_id).scalar_subquery()
    mine = exists().where(_is_own(), or_(User.id == aggregate_id, User.id == whose))
    return bool(await session.scalar(select(mine)))


def own_scores(each: int) -> Select[Any]:
    """Ids and times of the newest scores of each of the lab's users: few steps in an index, however many there are."""
    newest = [
        select(AIRScore.id, AIRScore.created_at)
        .where(AIRScore.user_id == select(User.id).where(User.email == address).scalar_subquery())
        .order_by(AIRScore.created_at.desc())
        .limit(each)
        .subquery()
        for address in LAB_ADDRESSES
    ]
    every = union_all(*(select(one) for one in newest)).subquery()
    return select(every.c.id, every.c.created_at)


async def find_run(request: DatabaseRequest, run_id: str, *, number: int | None = None) -> runs.SavedRun | None:
    """A saved run. What a demonstration showed of people, when they were the lab's to show, is shown to staff alone."""
    run = await runs.find(request.db, run_id, section=number)
    return run if run is None or run.is_public or sees_all(request) else None


def _is_own() -> Any:
    return User.email.in_(LAB_ADDRESSES)
