"""Runs are listed and shown without the megabytes that they may hold."""

from typing import Any

import pytest
from sqlalchemy import select

from qulab.admin.models import Audit
from qulab.db.engine import Database
from qulab.db.probe import Probe, probe
from qulab.lab.models import Run, RunStatus
from tests.admin.conftest import Desk, store

LARGE = {"result", "samples"}


def run(status: RunStatus = RunStatus.DONE, **fields: Any) -> Run:
    given = {"experiment": "queries", "parameters": {"users": 5}, "samples": [["lazy", 1, 2.5]], "visitor": "v1"}
    return Run(**{**given, "status": status, "result": {"secret of the result": 1}, **fields})


def columns_read(opened: Probe) -> set[str]:
    return {name for name in LARGE for one in opened.statements if f"lab_runs.{name}" in one.sql}


class TestList:
    async def test_has_tabs_by_status_and_reads_no_large_column(self, desk: Desk, database: Database) -> None:
        await store(database, run(), run(), run(RunStatus.FAILED, error="ValueError"), run(RunStatus.RUNNING))

        with probe(database.engine) as opened:
            page = await desk.get("runs?status=done")

        assert len(page.keys("runs")) == 2
        for expected in ("All 4", "Done 2", "Failed 1", "Running 1", "Queued 0", "Cancelled 0"):
            assert expected in page.text
        assert columns_read(opened) == set()

    @pytest.mark.parametrize(
        ("params", "found"), [("experiment=pool-sweep", 1), ("visitor=v1", 2), ("q=POOL", 1), ("q=went+away", 1)]
    )
    async def test_is_filtered(self, desk: Desk, database: Database, params: str, found: int) -> None:
        await store(
            database,
            run(),
            run(experiment="pool-sweep", visitor="v2", status=RunStatus.CANCELLED),
            run(RunStatus.FAILED, error="Redis went away"),
        )

        assert len((await desk.get(f"runs?{params}")).keys("runs")) == found


class TestRun:
    async def test_leads_to_the_lab_for_what_it_measured(self, desk: Desk, database: Database) -> None:
        one = run(RunStatus.FAILED, error="ValueError: no", environment={"python": "3.11"})
        await store(database, one)

        with probe(database.engine) as opened:
            page = await desk.get(f"runs/{one.id}")

        assert page.links("The run in the lab") == [f"/lab/runs/{one.id}"]
        assert page.links("All of it as JSON") == [f"/lab/runs/{one.id}.json"]
        assert '"python": "3.11"' in page.text
        assert "ValueError: no" in page.text
        assert "secret of the result" not in page.text
        assert columns_read(opened) == set()

    async def test_a_long_value_is_cut_where_it_is_shown(self, desk: Desk, database: Database) -> None:
        one = run(parameters={"long": "x" * 50_000})
        await store(database, one)

        page = await desk.get(f"runs/{one.id}")

        assert len(page.html) < 40_000
        assert "more characters" in page.text


class TestDelete:
    async def test_leaves_what_is_under_way_to_its_worker(self, desk: Desk, database: Database) -> None:
        await store(database, run(), run(RunStatus.FAILED), run(RunStatus.RUNNING, visitor="v2"))

        asked = await desk.get("runs/delete?all=1")
        page = await desk.send("runs/delete", **asked.hidden())

        assert "Delete 3 runs, except those under way?" in asked.text
        assert page.status == 302
        assert "2 runs are deleted." in (await desk.get(page.response["Location"].removeprefix("/admin/"))).text
        async with database.reading() as session:
            assert set(await session.scalars(select(Run.status))) == {"running"}
            assert (await session.scalars(select(Audit.rows))).one() == 2
