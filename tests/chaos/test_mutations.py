"""A check that cannot fail proves nothing: each protection is taken out once, and the harness must notice."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.chaos.harness import run_chaos
from tests.chaos.plan import Fault, Kind, Plan
from tests.chaos.report import Report

BOTH = pytest.mark.parametrize("database", ["sqlite", "postgresql"])


async def run(folder: Path, database: str, mutation: str, *faults: Fault, **options: Any) -> Report:
    plan = Plan(events=300, faults=list(faults), database=database, mutations=[mutation], consumers=0, patience=8)
    return await run_chaos(msgspec.structs.replace(plan, **options), folder)


class TestHarness:
    @BOTH
    async def test_finds_doubled_events_without_the_comparison_of_marks(self, folder: Path, database: str) -> None:
        death = Fault(Kind.RELAY_DIES_BEFORE_COMMIT)

        report = await run(folder, database, "without-mark", death, death)

        assert report.violations["doubled"].count
        assert not report.crashes

    async def test_finds_overtaken_passes_without_the_row_lock(self, folder: Path) -> None:
        """On PostgreSQL only: SQLite has no row locks, and passes that are overtaken are part of its normal work."""
        sleep = Fault(Kind.RELAY_OVERSLEEPS)

        report = await run(folder, "postgresql", "without-row-lock", sleep, sleep, partitions=1, session_is_kept=True)

        assert report.violations["overtaken"].count, report
        assert not report.crashes

    @BOTH
    async def test_finds_lost_events_when_a_recovery_reopens_none(self, folder: Path, database: str) -> None:
        report = await run(
            folder, database, "without-reopening", Fault(Kind.RELAY_KILLED), Fault(Kind.REDIS_OLDER, age=1)
        )

        assert report.violations["lost"].count
        assert not report.crashes

    @BOTH
    async def test_finds_lost_events_when_idle_relays_do_not_look(self, folder: Path, database: str) -> None:
        loss = Fault(Kind.REDIS_OLDER_WHEN_IDLE, age=1)

        report = await run(folder, database, "without-looking", Fault(Kind.RELAY_KILLED), loss)

        assert report.violations["lost"].count
        assert report.stuck == "waited 8 s for the streams to hold what the table says, in vain"
        assert not report.crashes

    @BOTH
    async def test_finds_events_past_a_dead_letter_without_the_blocking_rule(self, folder: Path, database: str) -> None:
        poison, kill = Fault(Kind.POISON), Fault(Kind.RELAY_KILLED)

        report = await run(folder, database, "without-blocking", poison, kill, kill, aggregates=4)

        assert report.violations["past_dead_letters"].count
        assert not report.crashes

    @BOTH
    async def test_finds_doubled_effects_without_the_inbox(self, folder: Path, database: str) -> None:
        kills = [Fault(Kind.CONSUMER_KILLED, pick=pick) for pick in (0.1, 0.9)]
        loss = Fault(Kind.REDIS_OLDER_WHEN_IDLE, age=2)

        report = await run(folder, database, "without-inbox", *kills, loss, consumers=2)

        assert report.violations["effects_doubled"].count
        assert not report.crashes

    async def test_tells_the_last_words_of_a_process_that_ends_by_itself(self, folder: Path) -> None:
        """On SQLite only, which starts faster: no database has a part in it."""
        report = await run(folder, "sqlite", "without-sense")

        assert not report.is_clean
        assert "unrecognized arguments: --without-sense" in report.crashes[0]
        assert re.fullmatch(r"\d+ processes ended by themselves; it was given up", report.verdict)
