"""A user is stored by the service that the product uses, and the statements shown are the ones it sent."""

import time

import msgspec

from accounts.services import create_user
from accounts.snapshots import UserSnapshot
from qulab.db.engine import Database
from qulab.db.probe import Statement, probe
from qulab.db.session import Session
from qulab.lab.runs import Kind


class CreatedUser(msgspec.Struct, frozen=True):
    """Times in milliseconds."""

    user: UserSnapshot
    statements: list[Statement]
    count: int
    commit_ms: float
    total_ms: float


CREATE_USER = Kind(1, "create-user", CreatedUser)


async def store_user(session: Session, database: Database, *, email: str, name: str) -> CreatedUser:
    """Raises Conflict(field="email") when the address is taken."""
    with probe(database.engine) as opened:
        began = time.perf_counter()
        user = await create_user(session, email=email, name=name)
        total_ms = 1000 * (time.perf_counter() - began)
    return CreatedUser(UserSnapshot.of(user), opened.statements, opened.count, opened.commit_ms, total_ms)
