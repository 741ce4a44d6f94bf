"""A project with people and rows of each kind under ids that stay the same: what an input destroyed is put back.

What would start a process or hand a task to a worker is stopped at the seam.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest
from sqlalchemy import select

from accounts.models import Credentials, User
from assessments.bank import CURRENT, bank
from assessments.models import AIRScore, Assessment, Response, Sitting
from assessments.progress import first_question
from assessments.scoring import COMPONENTS
from outbox.models import InboxEntry, Status
from qulab.access import sessions
from qulab.access.person import Known, Person, fingerprint
from qulab.access.sessions import SessionStore
from qulab.admin.models import Audit
from qulab.db.engine import Database
from qulab.lab.demo_users import cache_demo_user, event_demo_user
from qulab.lab.models import Run, RunStatus
from tests.access.people import PASSWORD
from tests.admin.conftest import NOON, event

from .wire import Request, answer_to

CALLERS = ("anonymous", "person", "staff", "operator")
FROM_ELSEWHERE = "203.0.113.9"
PEOPLE = {"person": 1, "staff": 2}
ROWS = range(1, 7)
TOKEN = "a" * 32  # of the forms
STATES = list(Status)
SCORE = {"occupation_code": "15-1252", "parameter_version": "1"} | dict.fromkeys(
    ["air_score", "vr_score", "hr_score", "synergy_score", "ci_lower", "ci_upper"], 50.0
)


def fixed(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012d}"


class World:
    def __init__(self, database: Database, application: Any) -> None:
        self.database = database
        self.application = application
        self.ids = [fixed(number) for number in range(1, 80)]
        self._keys: dict[str, str] = {}

    async def renew(self, *, everything: bool = True) -> None:
        """Put back what is missing, and sign everybody in again; else only what a page of the lab would put back."""
        await cache_demo_user(self.database)
        await event_demo_user(self.database)
        if not everything:
            return
        await self._put_back(_users())
        await self._put_back(_test())
        await self._put_back(_rest())
        for name, number in PEOPLE.items():
            await self._sign_in(name, fixed(number))

    def cookies(self, caller: str) -> list[str]:
        key = self._keys.get(caller)
        return [f"csrftoken={TOKEN}", *([f"{settings.SESSION_COOKIE_NAME}={key}"] if key else [])]

    async def ask(self, request: Request) -> Any:
        return await answer_to(self.application, request)

    async def _put_back(self, rows: list[Any]) -> None:
        for kind in dict.fromkeys(type(row) for row in rows):
            key = kind.__table__.primary_key.columns.values()[-1]
            async with self.database.writing() as session:
                there = set(await session.scalars(select(key)))
                session.add_all(row for row in rows if type(row) is kind and getattr(row, key.key) not in there)
                await session.commit()

    async def _sign_in(self, name: str, user_id: str) -> None:
        password = make_password(PASSWORD, hasher="md5")
        async with self.database.writing() as session:
            found = await session.get(Credentials, user_id) or Credentials(user_id=user_id)
            found.password, found.is_staff = password, name == "staff"
            session.add(found)
            user = await session.get_one(User, user_id)
            person = Person(user_id, user.name, user.email, found.is_staff)
            await session.commit()
        request = HttpRequest()
        request.session = SessionStore()
        await sessions.sign_in(request, Known(person, fingerprint(password)))
        self._keys[name] = request.session.session_key or ""


def _users() -> list[Any]:
    return [User(id=fixed(n), email=f"{fixed(n)}@example.com", name=f"Person {n}") for n in ROWS]


def _test() -> list[Any]:
    """Of the person: a test whose first question waits."""
    shown = first_question(COMPONENTS[0], seed="1", version=CURRENT)
    sitting, assessment = fixed(60), fixed(61)
    begun = {"occupation_code": "15-1252", "bank_version": CURRENT, "bank_sha256": bank().sha256, "seed": "1"}
    return [
        Sitting(id=sitting, user_id=fixed(PEOPLE["person"]), **begun),
        Assessment(id=assessment, user_id=fixed(PEOPLE["person"]), sitting_id=sitting, component=COMPONENTS[0]),
        Response(
            id=fixed(62), assessment_id=assessment, position=1, item_id=shown.item_id, candidates=shown.candidates
        ),
    ]


def _rest() -> list[Any]:
    rows: list[Any] = []
    for n in ROWS:
        state, owner = STATES[n % len(STATES)], fixed(n)
        rows += [
            AIRScore(id=fixed(10 + n), user_id=owner, **SCORE),
            Assessment(id=fixed(20 + n), user_id=owner, component=COMPONENTS[n % len(COMPONENTS)]),
            event(state, id=fixed(30 + n), aggregate_id=owner),
            InboxEntry(consumer_group="qulab", event_id=fixed(30 + n), event_type="UserCreated", processed_at=NOON),
            Audit(
                id=fixed(40 + n),
                via="command",
                action="update",
                list_name="users",
                row_id=owner,
                changes={"name": ["A", "B"]},
            ),
        ]
    status = [RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.CANCELLED, RunStatus.FAILED]
    rows += [
        Run(
            id=fixed(50 + n),
            experiment="pool-sweep",
            status=one,
            visitor=f"visitor {n}",
            error="no" if n == 3 else None,
        )
        for n, one in enumerate(status)
    ]
    return rows
