"""All that is stored about a person, as one JSON document: read page by page, so that memory and pool stay free.

A session is open for one page only, and never while a slow client takes what was read. No hash is in it, and of the
questions of a test what was answered, not whether it was right: a test that is never finished would tell its keys. What
follows from the answers is told of what is completed.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, not_, or_, select, union_all

from accounts.models import Credentials, User
from accounts.selectors import owned
from outbox.models import DomainEvent
from qulab.admin.models import Audit
from qulab.db.base import utcnow
from qulab.db.engine import Database

PAGE = 200  # rows
SECRET = frozenset({"password"})
ABOUT = ("assessments", "scores")  # what events tell of, beside the person
OF_KEYS = {  # what tells, question by question, which answers were right
    "sittings": frozenset({"seed"}),
    "unfinished_assessments": frozenset({"current_ability", "posterior_sd"}),
    "responses": frozenset({"is_right", "theta", "posterior_sd", "candidates"}),
}
OF_ONE_ANSWER = "AssessmentItemAnswered"
OF_STAFF = frozenset({"actor_id", "reason"})  # who changed something of this person
OF_OTHERS = frozenset({"row_id", "changes", "filter", "reason"})  # whom this person, as staff, changed something of


async def export(database: Database, user_id: str) -> AsyncIterator[bytes]:
    """The pieces of the document, in order."""
    yield b'{"exported_at":' + msgspec.json.encode(utcnow())
    yield b',"profile":' + msgspec.json.encode(await _one(database, User, User.id == user_id))
    yield b',"account":' + msgspec.json.encode(await _one(database, Credentials, Credentials.user_id == user_id))
    for name, model, where, hidden in _lists(user_id):
        yield b',"' + name.encode() + b'":['
        async for piece in _rows(database, model, where, hidden):
            yield piece
        yield b"]"
    yield b"}"


def _lists(user_id: str) -> list[tuple[str, Any, ColumnElement[bool], frozenset[str]]]:
    theirs = owned(user_id)
    about = DomainEvent.aggregate_id
    ids = [select(theirs[name][0].id).where(theirs[name][1]) for name in ABOUT]
    told = and_(or_(about == user_id, about.in_(union_all(*ids))), DomainEvent.event_type != OF_ONE_ANSWER)
    assessments, own = theirs["assessments"]
    completed = assessments.status == "completed"
    theirs |= {
        "assessments": (assessments, and_(own, completed)),
        "unfinished_assessments": (assessments, and_(own, not_(completed))),
    }
    return [
        *((name, model, where, OF_KEYS.get(name, SECRET)) for name, (model, where) in theirs.items()),
        ("events", DomainEvent, told, SECRET),
        ("changes", Audit, and_(Audit.list_name == "users", Audit.row_id == user_id), OF_STAFF),
        ("deeds", Audit, Audit.actor_id == user_id, OF_OTHERS),
    ]


async def _one(database: Database, model: Any, where: ColumnElement[bool]) -> dict[str, Any] | None:
    async with database.reading() as session:
        found = (await session.scalars(select(model).where(where))).one_or_none()
    return _values(found) if found else None


async def _rows(
    database: Database, model: Any, where: ColumnElement[bool], hidden: frozenset[str]
) -> AsyncIterator[bytes]:
    last, comma = "", b""
    while True:
        async with database.reading() as session:
            statement = select(model).where(where, model.id > last).order_by(model.id).limit(PAGE)
            rows = (await session.scalars(statement)).all()
        if rows:
            yield comma + b",".join(msgspec.json.encode(_values(row, hidden)) for row in rows)
            last, comma = rows[-1].id, b","
        if len(rows) < PAGE:
            return


def _values(row: Any, hidden: frozenset[str] = SECRET) -> dict[str, Any]:
    names = [attribute.key for attribute in type(row).__mapper__.column_attrs]
    return {name: getattr(row, name) for name in names if name not in hidden}
