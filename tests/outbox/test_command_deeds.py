"""Redrive, replay and discard from the command line: what is meant, asked, refused and done."""

import io
import os
import pty
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management.base import CommandError
from redis.asyncio import Redis
from sqlalchemy import select

from outbox.models import DomainEvent, Status
from qulab.db.base import utcnow
from qulab.db.engine import Database
from qulab.management import confirm
from qulab.management.commands import outbox as commands
from tests.admin.conftest import event, store
from tests.outbox.commands import outbox, states

HOUR = timedelta(hours=1)


class TestSelection:
    async def test_of_nothing_is_an_error_that_says_so(self, database: Database) -> None:
        with pytest.raises(CommandError, match=r"Nothing is selected\. Name events by --id"):
            await outbox("redrive", "--yes")

    async def test_of_all_and_of_some_at_once_is_refused(self, database: Database) -> None:
        with pytest.raises(CommandError, match="--all means every event"):
            await outbox("redrive", "--all", "--type", "UserCreated", "--yes")

    @pytest.mark.parametrize(
        ("arguments", "meant"),
        [
            (["--id", "first", "--id", "second"], {"first", "second"}),
            (["--type", "UserDeleted"], {"second"}),
            (["--aggregate-type", "AIRScore"], {"third"}),
            (["--aggregate-id", "u2"], {"second"}),
            (["--older-than", "90m"], {"third"}),
            (["--newer-than", "5400s"], {"first", "second"}),
            (["--newer-than", "1d", "--older-than", "10m"], {"second", "third"}),
            (["--type", "UserCreated", "--aggregate-id", "u1"], {"first"}),
            (["--all"], {"first", "second", "third"}),
            (["--id", "fourth"], set()),
        ],
    )
    async def test_means_what_it_says(
        self, database: Database, streams_client: Redis, arguments: list[str], meant: set[str]
    ) -> None:
        now = utcnow()
        await store(
            database,
            event(Status.DEAD, id="first", aggregate_id="u1", created_at=now),
            event(Status.DEAD, id="second", aggregate_id="u2", event_type="UserDeleted", created_at=now - HOUR),
            event(Status.DEAD, id="third", aggregate_type="AIRScore", created_at=now - 2 * HOUR),
            event(Status.PUBLISHED, id="fourth", created_at=now),
        )

        said = await outbox("redrive", *arguments, "--yes", "--json")

        assert said.json == {"action": "redrive", "changed": len(meant)}
        async with database.reading() as session:
            pending = await session.scalars(select(DomainEvent.id).where(DomainEvent.status == Status.PENDING))
            assert set(pending.all()) == meant

    @pytest.mark.parametrize("text", ["5x", "m", "-5m", "1.5h", "", "5 m", "99999999999s", "36501d", "٥m"])
    async def test_by_something_that_is_no_age_is_refused(self, text: str, capsys: Any) -> None:
        with pytest.raises(CommandError, match="is no age: a whole number with s, m, h or d"):
            await outbox("redrive", f"--older-than={text}")


class TestDeeds:
    async def test_replay_makes_published_events_pending(self, database: Database, streams_client: Redis) -> None:
        await store(database, event(Status.PUBLISHED), event(Status.DEAD))

        said = await outbox("replay", "--all", "--yes")

        assert said.out.getvalue() == "1 event will be published again.\n"
        assert sorted(await states(database)) == ["dead", "pending"]

    async def test_discard_keeps_its_reason(self, database: Database, streams_client: Redis) -> None:
        await store(database, event(Status.DEAD))

        said = await outbox("discard", "--all", "--reason", "a test order", "--yes")

        assert said.out.getvalue() == "1 event was discarded.\n"
        async with database.reading() as session:
            assert "a test order" in str(await session.scalar(select(DomainEvent.last_error)))

    async def test_discard_without_a_reason_is_refused(self, database: Database) -> None:
        await store(database, event(Status.DEAD))

        with pytest.raises(CommandError, match="needs a reason"):
            await outbox("discard", "--all", "--reason", " ", "--yes")
        with pytest.raises(CommandError, match="--reason"):
            await outbox("discard", "--all", "--yes")
        assert await states(database) == ["dead"]

    async def test_what_matches_nothing_says_so(self, database: Database) -> None:
        assert (await outbox("redrive", "--all")).out.getvalue() == "No dead event matches: nothing to do.\n"

    async def test_works_without_redis(self, database: Database, streams_client: Redis, away: None) -> None:
        await store(database, event(Status.DEAD))

        await outbox("redrive", "--all", "--yes")

        assert await states(database) == ["pending"]

    async def test_more_than_were_confirmed_are_refused_and_none_is_changed(
        self, database: Database, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await store(database, event(Status.DEAD))

        async def agree_late(*_: object) -> bool:
            await store(database, event(Status.DEAD))
            return True

        monkeypatch.setattr(commands, "can_ask", lambda: True)
        monkeypatch.setattr(commands, "agreed", agree_late)

        with pytest.raises(CommandError, match="2 events match by now, and 1 were confirmed, so none was changed"):
            await outbox("redrive", "--all")
        assert await states(database) == ["dead", "dead"]

    async def test_fewer_than_were_confirmed_are_changed(
        self, database: Database, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await store(database, event(Status.DEAD, aggregate_id="1"), event(Status.DEAD, aggregate_id="2"))

        async def agree_late(*_: object) -> bool:
            await outbox("redrive", "--aggregate-id", "1", "--yes")
            return True

        monkeypatch.setattr(commands, "can_ask", lambda: True)
        monkeypatch.setattr(commands, "agreed", agree_late)

        assert (await outbox("redrive", "--all", "--json")).json["changed"] == 1


class TestQuestion:
    async def test_without_a_terminal_is_not_asked_and_nothing_is_done(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(confirm.sys, "stdin", io.StringIO("y\n"))
        await store(database, event(Status.DEAD), event(Status.DEAD))

        with pytest.raises(CommandError, match=r"Redrive 2 dead events\? There is no terminal to ask at: say --yes"):
            await outbox("redrive", "--all")
        assert await states(database) == ["dead", "dead"]

    @pytest.mark.parametrize(
        ("typed", "state", "code"),
        [("y\n", "pending", 0), ("YES\n", "pending", 0), ("n\n", "dead", 0), ("\n", "dead", 0), ("\x03", "dead", 130)],
    )
    async def test_is_put_to_the_terminal_with_its_consequence(
        self, database: Database, redis_url: str, typed: str, state: str, code: int
    ) -> None:
        await store(database, event(Status.DEAD))
        url = database.url.render_as_string(hide_password=False)

        asked, returned = _at_a_terminal(typed, "outbox", "redrive", "--all", DATABASE_URL=url, REDIS_URL=redis_url)

        assert "Redrive 1 dead event? The relay tries again from attempt 0." in asked
        assert "[y/N]" in asked
        assert await states(database) == [state]
        assert returned == code, asked


def _at_a_terminal(typed: str, *arguments: str, **environment: str) -> tuple[str, int]:
    """Run a command in a terminal of its own and type when it asks; what the terminal showed, and how it ended."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=django_settings.BASE_DIR,
        env={**os.environ, **environment, "TERM": "dumb"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        # A session of its own, whose terminal this is: Ctrl-C typed here reaches that process and no other.
        preexec_fn=lambda: _take(slave),
    ) as process:
        os.close(slave)
        shown = ""
        while "[y/N]" not in shown:
            shown += os.read(master, 4096).decode()
        os.write(master, typed.encode())
        code = process.wait(30)
    os.close(master)
    return shown, code


def _take(terminal: int) -> None:
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
