"""A project with a given number of rows of each kind, on both databases, with a real Redis beside it."""

from typing import Any

import msgspec
import pytest
from django.test import AsyncClient
from redis.asyncio import Redis
from sqlalchemy import update

from assessments.models import Assessment, Sitting
from outbox.models import InboxEntry, Status
from qulab.admin.editing import signed
from qulab.admin.models import Audit
from qulab.admin.site import site
from qulab.cache.read_through import Cache
from qulab.db.engine import Database
from qulab.lab.demo_users import cache_demo_user, event_demo_user
from qulab.lab.experiments.queries import QueriesResult, Variant
from qulab.lab.measure import Spread
from qulab.lab.models import Run, RunStatus
from qulab.lab.runs import queue
from qulab.lab.statements.tokens import Logged, token
from tests.admin.conftest import NOON, assessment, event, score, store, user

STATES = [Status.PENDING, Status.PUBLISHED, Status.DEAD]


class Project:
    """Grows by rows of each kind. `keys` name one of each, for the addresses that are about one."""

    def __init__(self, client: AsyncClient, database: Database, cache: Cache) -> None:
        self.client = client
        self.database = database
        self._cache = cache
        self.keys = {"logged": token(Logged(database.dialect, "SELECT 1"))}
        self.rows = 0

    async def grow_to(self, rows: int) -> None:
        people = [user(n) for n in range(self.rows, rows)]
        scores, assessments = [score(one) for one in people], [assessment(one) for one in people]
        events = [event(state, aggregate_id=f"u{n}") for state in STATES for n in range(self.rows, rows)]
        await store(self.database, *people, *scores, *assessments, *events)
        handled = [
            InboxEntry(consumer_group="qulab", event_id=one.id, event_type=one.event_type, processed_at=NOON)
            for one in events
        ]
        await store(self.database, *handled)
        self.keys |= {"user": people[0].id, "score": scores[0].id, "assessment": assessments[0].id}
        self.keys["begun"] = await self._begun(people[0].id)
        self.keys |= {str(state): next(one.id for one in events if one.status == state) for state in STATES}
        self.keys["opened"] = signed(site.get("users"), people[0])
        self.keys["opened_assessment"] = signed(site.get("assessments"), assessments[0])
        self.keys |= {"rows": str(rows), "run": await self._run(), "entry": await self._entry(people[0].id)}
        self.rows = rows

    async def _begun(self, user_id: str) -> str:
        """A part of a test that is in progress."""
        sitting = Sitting(user_id=user_id, occupation_code="15-1252", bank_version="1", bank_sha256="0", seed="1")
        await store(self.database, sitting)
        part = Assessment(user_id=user_id, sitting_id=sitting.id, component="domain")
        await store(self.database, part)
        return part.id

    async def _run(self) -> str:
        """An experiment that is done."""
        ways = [Variant(name, 1, Spread(1, 1, 1, 1), 1, [], []) for name in ("lazy", "selectinload", "joinedload")]
        result = msgspec.to_builtins(
            QueriesResult(1, 1, [*ways, Variant("raiseload", 1, ways[0].time, 0, [], [], "no")])
        )
        run = Run(experiment="queries", parameters={"database": "sqlite"}, result=result, visitor="another")
        await store(self.database, run)
        return run.id

    async def _entry(self, key: str) -> str:
        """A change of a user, in the audit."""
        entry = Audit(action="update", via="operator", list_name="users", row_id=key, changes={"name": ["a", "b"]})
        await store(self.database, entry)
        return entry.id

    async def end_runs(self) -> None:
        """A visitor has one run under way, and each case begins without one."""
        async with self.database.writing() as session:
            await session.execute(update(Run).where(Run.status == RunStatus.QUEUED).values(status=RunStatus.CANCELLED))
            await session.commit()

    async def forget_what_was_read(self) -> None:
        await self._cache.redis.flushdb()


@pytest.fixture
async def project(
    database: Database,
    cache: Cache,
    streams_client: Redis,
    redis_url: str,
    settings: Any,
    async_client: AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """With the users that two sections make for themselves when they are opened for the first time."""

    async def leave_in_the_table(_run_id: str) -> None:
        return

    monkeypatch.setattr(queue, "send", leave_in_the_table)
    settings.CELERY_BROKER_URL = f"{redis_url.removesuffix('/0')}/2"
    settings.REDIS_URL = redis_url
    for demo_user in (cache_demo_user, event_demo_user):
        await demo_user(database)
    return Project(async_client, database, cache)
