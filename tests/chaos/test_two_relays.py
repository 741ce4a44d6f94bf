from pathlib import Path

import pytest

from tests.chaos.harness import run_chaos
from tests.chaos.plan import Fault, Kind, Plan

KILLS = [Fault(Kind.RELAY_DIES_BEFORE_COMMIT, pick=0.1), Fault(Kind.RELAY_KILLED, pick=0.9)]


class TestTwoRelays:
    @pytest.mark.parametrize("database", ["sqlite", "postgresql"])
    async def test_twenty_kills_over_two_thousand_events_lose_double_and_invert_none(
        self, folder: Path, database: str
    ) -> None:
        plan = Plan(events=2000, faults=KILLS * 10, database=database, relays=2, consumers=0)

        report = await run_chaos(plan, folder)

        assert report.is_clean, report
        assert report.written == report.entries == 2000
        assert report.faults == {Kind.RELAY_DIES_BEFORE_COMMIT: 10, Kind.RELAY_KILLED: 10}
        assert report.repeats_avoided > 0
