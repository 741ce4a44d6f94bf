"""Each change of a profile commits once, together with the event that tells of it."""

from typing import Any

from sqlalchemy import ColumnElement

from accounts.cached import invalidate_user_cache
from accounts.models import User
from accounts.repositories import UserRepository
from outbox.events import record_event, record_events
from qulab.admin import audit
from qulab.cache.read_through import get_cache
from qulab.db.errors import Conflict, NotFound, Stale
from qulab.db.retry import retried
from qulab.db.session import Session

EDITABLE = frozenset({"email", "name", "occupation_code", "education_level", "years_experience"})
SAMPLE_USERS = (
    {"email": "alex.smith@example.com", "name": "Alex Smith", "occupation_code": "15-1252", "years_experience": 8.0},
    {"email": "jane.doe@example.com", "name": "Jane Doe", "occupation_code": "15-2051", "years_experience": 5.0},
)
# The users that the lab makes for itself. Nobody has a mailbox at example.com: they are no people.
CACHE_DEMO, EVENT_DEMO = "cache.demo@example.com", "event.demo@example.com"
LAB_ADDRESSES = (*(str(one["email"]) for one in SAMPLE_USERS), CACHE_DEMO, EVENT_DEMO)


def normalize_email(email: str) -> str:
    """Addresses that differ in case or outer space reach one mailbox, so they are one account."""
    return email.strip().lower()


@retried
async def create_user(
    session: Session,
    *,
    email: str,
    name: str,
    occupation_code: str | None = None,
    education_level: str | None = None,
    years_experience: float | None = None,
) -> User:
    """Store a user. Raises Conflict(field="email") when the address is taken."""
    user = User(
        email=normalize_email(email),
        name=name.strip(),
        occupation_code=occupation_code,
        education_level=education_level,
        years_experience=years_experience,
    )
    await add_user(session, user)
    await session.commit()
    return user


async def add_user(session: Session, user: User) -> User:
    """Add a user and its event without a commit, for a service that does more in the same transaction."""
    await UserRepository(session).create(user)
    _record(session, "UserCreated", user.id, {"user_id": user.id})
    return user


async def ensure_user(session: Session, *, email: str, name: str, **profile: Any) -> User:
    """The user with that address, created if there is none."""
    users = UserRepository(session)
    user = await users.get_by_email(normalize_email(email))
    if user is not None:
        return user
    try:
        return await create_user(session, email=email, name=name, **profile)
    except Conflict:  # another process was first
        await session.rollback()
        user = await users.get_by_email(normalize_email(email))
        assert user is not None
        return user


@retried
async def update_user(session: Session, /, *, user_id: str, version: int | None = None, **changes: Any) -> User:
    """Change fields of a profile; with a `version`, only if it is still the one that the person saw.

    Raises NotFound, Stale, Conflict when the new address is taken, and ValueError for no field.
    """
    user = await change_user(session, user_id=user_id, version=version, **changes)
    await session.commit()
    return user


async def change_user(session: Session, /, *, user_id: str, version: int | None = None, **changes: Any) -> User:
    """`update_user` without a commit, for a service that does more in the same transaction."""
    if unknown := changes.keys() - EDITABLE:
        raise ValueError(f"not fields of a profile that can be changed: {', '.join(sorted(unknown))}")
    if "email" in changes:
        changes["email"] = normalize_email(changes["email"])
    repository = UserRepository(session)
    user = await repository.one(user_id, fresh=True)  # not as a caller of this session remembers it
    if version is not None and version != user.version:
        raise Stale
    for field, value in changes.items():
        setattr(user, field, value)
    await repository.add(user)
    _record(session, "UserUpdated", user.id, {"user_id": user.id, "fields": sorted(changes)})
    return user


@retried
async def delete_user(session: Session, *, user_id: str) -> None:
    """Delete a user with their tests and scores. Raises NotFound."""
    await UserRepository(session).one(user_id)
    if not await remove_users(session, User.id == user_id):
        raise NotFound(User, user_id)  # another was first
    await session.commit()


async def remove_users(session: Session, *where: ColumnElement[bool]) -> int:
    """Delete all these users with what belongs to them, an event for each, without a commit; returns how many."""
    removed = await UserRepository(session).remove(*where)
    if removed:
        payloads = {user_id: {"user_id": user_id} for user_id in removed}
        await record_events(session, event_type="UserDeleted", aggregate_type="User", payloads=payloads)
        await audit.forget(session, "users", removed)
        forget_cached_users(session, *removed)
    return len(removed)


@retried
async def create_sample_users(session: Session) -> list[User]:
    """Alex Smith and Jane Doe, each created if not there, in one transaction."""
    users = await add_sample_users(session)
    await session.commit()
    return users


async def add_sample_users(session: Session) -> list[User]:
    """The sample users without a commit, for a service that does more in the same transaction."""
    repository = UserRepository(session)
    return [
        await repository.get_by_email(str(profile["email"])) or await add_user(session, User(**profile))
        for profile in SAMPLE_USERS
    ]


def _record(session: Session, event_type: str, user_id: str, payload: dict[str, Any]) -> None:
    record_event(session, event_type=event_type, aggregate_type="User", aggregate_id=user_id, payload=payload)
    if event_type != "UserCreated":
        forget_cached_users(session, user_id)


def forget_cached_users(session: Session, *user_ids: str) -> None:
    """Invalidate the users' cache entries when the session commits, and not before."""

    async def forget() -> None:
        await invalidate_user_cache(get_cache(), *user_ids)

    session.on_commit(forget)
