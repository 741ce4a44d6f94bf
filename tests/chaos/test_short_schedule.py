"""What `manage.py chaos` does for minutes, once with each kind of fault."""

from pathlib import Path

import pytest

from tests.chaos.harness import run_chaos
from tests.chaos.plan import OF_POSTGRESQL, ONLY_WHEN_NAMED, Kind, Plan, schedule

USUAL = set(Kind) - ONLY_WHEN_NAMED


class TestShortSchedule:
    @pytest.mark.parametrize(("database", "kinds"), [("postgresql", USUAL), ("sqlite", USUAL - OF_POSTGRESQL)])
    async def test_of_every_kind_of_fault_leaves_table_streams_and_effects_alike(
        self, folder: Path, database: str, kinds: set[Kind]
    ) -> None:
        faults = schedule(seed=1, kills=len(kinds), database=database)
        plan = Plan(events=1000, faults=faults, database=database)

        report = await run_chaos(plan, folder)

        assert report.is_clean, report
        assert report.faults == dict.fromkeys(kinds, 1)
        assert report.poison == 1
        assert report.written == 1001
        assert report.entries == 1000
        assert report.repeats_avoided > 0
        assert report.published_again > 0
