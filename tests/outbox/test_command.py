"""`manage.py outbox` as an operator uses it: in a terminal, in a script, and with parts of the system away."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management.base import CommandError
from redis.asyncio import Redis

from outbox.models import Status
from outbox.relay import Relay
from qulab.db.base import utcnow
from qulab.db.engine import Database
from tests.admin.conftest import event, store
from tests.outbox.commands import outbox, states
from tests.outbox.helpers import write_events

HOUR = timedelta(hours=1)


class TestStats:
    async def test_tells_depth_counters_streams_and_groups(self, database: Database, streams_client: Redis) -> None:
        await write_events(database, 4)
        await Relay(database, streams_client).drain()
        await streams_client.xgroup_create("events:Order", "readers", id="0")
        await streams_client.xreadgroup("readers", "one", {"events:Order": ">"}, count=1)
        await store(database, event(created_at=utcnow() - HOUR), event(Status.DEAD))

        text = (await outbox("stats")).out.getvalue()

        assert text.startswith("1 pending, the oldest since 3,600.")
        assert "; 1 dead.\nPublishing is on.\nSince the tables were made: 4 published, 0 repeats avoided" in text
        (row,) = [line.split() for line in text.splitlines() if line.startswith("events:Order")]
        assert row == ["events:Order", "4", "readers", "1", "1", "3", "0"]
        assert "No dead letters of group readers." in text

    async def test_as_json_is_one_document(self, database: Database, streams_client: Redis) -> None:
        await write_events(database, 4)
        await Relay(database, streams_client).drain()
        await store(database, event())

        document = (await outbox("stats", "--json")).json

        assert document["outbox"]["depth"] == 1
        assert document["outbox"]["published"] == sum(one["published"] for one in document["partitions"]) == 4
        assert [one["name"] for one in document["redis"]["streams"]] == ["events:Order"]
        assert document["counted_up_to"] == 10_000

    async def test_says_where_it_stopped_counting(
        self, database: Database, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from outbox import figures
        from qulab.management import outbox_report

        for module in (figures, outbox_report):
            monkeypatch.setattr(module, "MOST_COUNTED", 3)
        await store(database, *(event() for _ in range(5)))

        assert (await outbox("stats")).out.getvalue().startswith("3 or more pending")

    async def test_tells_what_it_can_without_redis(self, database: Database, streams_client: Redis, away: None) -> None:
        await store(database, event())

        text = (await outbox("stats")).out.getvalue()

        assert text.startswith("1 pending")
        assert "Redis does not answer: nothing is known of the streams." in text
        assert (await outbox("stats", "--json")).json["redis"] is None


class TestPrune:
    async def test_says_what_went_and_what_was_kept_for_whom(self, database: Database, streams_client: Redis) -> None:
        old = utcnow() - timedelta(days=31)
        await store(
            database,
            event(Status.PUBLISHED, created_at=old, published_at=old),
            event(Status.DISCARDED, created_at=old, updated_at=old),
            event(Status.DEAD, created_at=old),
        )
        await streams_client.sadd("outbox:streams", "events:Order")  # type: ignore[misc]
        await streams_client.xadd("events:Order", {"event": "x"}, id="1-0")
        await streams_client.xadd("events:Order", {"event": "x"}, id="2-0")
        await streams_client.xgroup_create("events:Order", "slow", id="1-0")

        foretold = (await outbox("prune", "--dry-run")).out.getvalue()
        assert len(await states(database)) == 3
        said = (await outbox("prune")).out.getvalue()

        assert foretold.startswith("Would delete 1 published and 1 discarded events and 0 inbox rows from before 20")
        assert "events:Order, old entries: 1 would go." in foretold
        assert said.startswith("Deleted 1 published and 1 discarded events and 0 inbox rows from before 20")
        assert "events:Order, old entries: 1 trimmed.\n" in said
        assert "events:Order, old entries: 1 kept, which slow must still acknowledge." in said
        assert "The inbox stays whole meanwhile" in said
        assert await states(database) == ["dead"]

    async def test_takes_another_age_and_reports_as_json(self, database: Database, streams_client: Redis) -> None:
        old = utcnow() - HOUR
        await store(database, event(Status.PUBLISHED, created_at=old, published_at=old))

        kept = (await outbox("prune", "--json")).json
        gone = (await outbox("prune", "--older-than", "10m", "--batch", "1", "--json")).json

        assert (kept["published"], gone["published"]) == (0, 1)
        assert gone["streams"] == []

    async def test_without_redis_says_what_stays(self, database: Database, streams_client: Redis, away: None) -> None:
        text = (await outbox("prune")).out.getvalue()

        assert "Redis does not answer: streams and inbox stay as they are." in text

    @pytest.mark.parametrize("text", ["0", "-1", "10001", "many", "1.5", "9" * 40])
    async def test_a_batch_out_of_bounds_is_refused(self, text: str) -> None:
        with pytest.raises(CommandError, match=r"is not a whole number from 1 to 10,000"):
            await outbox("prune", f"--batch={text}")


class TestFaults:
    def test_a_database_that_is_away_is_told_in_one_line(self, tmp_path: Path) -> None:
        environment = {**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
        done = subprocess.run(
            [sys.executable, "manage.py", "outbox", "stats", "--json"],
            cwd=django_settings.BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("CommandError: DATABASE_URL: ")
        assert done.stderr.count("\n") == 1
