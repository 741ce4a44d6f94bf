"""The processes that are killed here are real: each test starts one, on the database and the Redis under test."""

import asyncio
import os
import signal

import msgspec
import psutil
import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select

from assessments.models import AIRScore
from outbox.models import DomainEvent
from outbox.relay import Relay
from outbox.services import pause
from qulab.cache import heartbeat
from qulab.db.engine import Database
from qulab.lab.crashes import parent
from qulab.lab.crashes.child import LastWord, Moment
from qulab.lab.crashes.parent import NothingCrashed, crash, one_at_a_time
from qulab.lab.crashes.seams import AFTER, BEFORE
from qulab.lab.demo_users import event_demo_user
from qulab.lab.experiments.beside import beside
from tests.lab.conftest import Lab, text_of

BEFORE_COMMIT, AFTER_PUBLISH = "/lab/5/crash/commit", "/lab/5/crash/publish"


@pytest.fixture
async def prepared(lab: Lab, database: Database, streams_client: Redis) -> None:
    """The demo user is there, and nothing is pending."""
    await event_demo_user(database)
    await Relay(database, streams_client).drain()


async def stored(database: Database) -> tuple[int, int]:
    async with database.reading() as session:
        counts = [await session.scalar(select(func.count()).select_from(model)) for model in (AIRScore, DomainEvent)]
    return counts[0] or 0, counts[1] or 0


def crashing_children() -> list[psutil.Process]:
    mine = psutil.Process().children(recursive=True)
    return [one for one in mine if "qulab.lab.crashes.child" in " ".join(one.cmdline())]


class TestBeforeCommit:
    async def test_nothing_of_the_transaction_is_left(self, lab: Lab, database: Database, prepared: None) -> None:
        before = await stored(database)

        run = await lab.run(BEFORE_COMMIT)

        sent = [one.sql.split()[0] for one in run.result.statements if not one.controls]
        assert (run.kind, run.result.signal) == (BEFORE.name, "SIGKILL")
        assert sent == ["SELECT", "INSERT", "INSERT"]
        assert "COMMIT" not in [one.sql for one in run.result.statements]
        assert (run.result.left.scores, run.result.left.events, run.result.entries) == (0, 0, 0)
        assert await stored(database) == before

    async def test_the_database_is_free_for_the_next_writer(self, lab: Lab, prepared: None) -> None:
        await lab.run(BEFORE_COMMIT)

        async with asyncio.timeout(5):
            assert (await lab.run(AFTER_PUBLISH)).result.died

    async def test_works_without_redis(self, lab: Lab, prepared: None, without_redis: None) -> None:
        run = await lab.run(BEFORE_COMMIT)

        assert run.result.entries is None
        assert (run.result.left.scores, run.result.left.events) == (0, 0)


class TestAfterPublish:
    async def test_the_next_pass_marks_and_adds_nothing(
        self, lab: Lab, database: Database, streams_client: Redis, prepared: None
    ) -> None:
        entries = await streams_client.xlen("events:AIRScore")

        run = await lab.run(AFTER_PUBLISH)

        first, then = run.result.first, run.result.then
        assert (run.kind, run.result.signal, run.result.died) == (AFTER.name, "SIGKILL", True)
        assert (first.status, first.entries, first.mark) == ("pending", 1, first.batch + 1)
        assert (then.status, then.entries, then.mark, then.batch) == ("published", 1, first.mark, first.mark)
        assert (run.result.repeated, run.result.by_page) == (1, True)
        assert await streams_client.xlen("events:AIRScore") == entries + 1
        async with database.reading() as session:
            event = await session.get(DomainEvent, run.result.event_id)
        assert event is not None
        assert event.stream_id == run.result.entry

    async def test_a_relay_that_lives_makes_the_next_pass(
        self, lab: Lab, database: Database, streams_client: Redis, prepared: None
    ) -> None:
        await heartbeat.beat(streams_client, "worker-relay")
        async with beside(Relay(database, streams_client, name="living").run()):
            run = await lab.run(AFTER_PUBLISH)

        page = text_of(await lab.get(f"/lab/5?run={run.id}"))
        assert run.result.then.entries == 1
        assert not run.result.by_page
        if run.result.died:  # the relay beside it may have been quicker, three times: then the page says so
            assert run.result.repeated == 1
            assert "The next pass was made by living" in page
        else:
            assert "Nothing was killed." in page

    async def test_is_refused_while_the_publisher_is_stopped(
        self, lab: Lab, database: Database, prepared: None
    ) -> None:
        async with database.writing() as session:
            await pause(session)
        before = await stored(database)

        answer = await lab.send(AFTER_PUBLISH)

        assert answer.status_code == 409
        assert "Start the publisher first." in text_of(answer)
        assert await stored(database) == before

    async def test_is_refused_without_redis(self, lab: Lab, prepared: None, without_redis: None) -> None:
        answer = await lab.send(AFTER_PUBLISH)

        assert answer.status_code == 503
        assert "Redis does not answer" in text_of(answer)


class TestProcess:
    async def test_a_second_crash_is_refused_while_one_is_under_way(self, lab: Lab, prepared: None) -> None:
        with one_at_a_time():
            answer = await lab.send(BEFORE_COMMIT)

        assert answer.status_code == 409
        assert "Another crash is under way" in text_of(answer)

    async def test_is_killed_when_its_asker_leaves(self, database: Database, prepared: None) -> None:
        asked = asyncio.create_task(crash(Moment.BEFORE_COMMIT, database, await event_demo_user(database)))
        async with asyncio.timeout(10):
            while not crashing_children():
                await asyncio.sleep(0.01)

        asked.cancel()
        await asyncio.wait({asked})

        assert asked.cancelled()
        assert crashing_children() == []

    async def test_is_killed_when_its_time_is_up(
        self, database: Database, prepared: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(parent, "PATIENCE", 0.1)

        with pytest.raises(NothingCrashed):
            await crash(Moment.BEFORE_COMMIT, database, await event_demo_user(database))

        assert crashing_children() == []

    async def test_one_that_ends_by_itself_is_no_crash(self, database: Database, prepared: None) -> None:
        stranger = msgspec.structs.replace(await event_demo_user(database), id="nobody")

        with pytest.raises(NothingCrashed):
            await crash(Moment.BEFORE_COMMIT, database, stranger)

    async def test_its_last_word_is_followed_by_the_signal(self, database: Database, prepared: None) -> None:
        word = await crash(Moment.BEFORE_COMMIT, database, await event_demo_user(database))

        assert isinstance(word, LastWord)
        with pytest.raises(ProcessLookupError):
            os.kill(word.pid, signal.SIG_DFL)
