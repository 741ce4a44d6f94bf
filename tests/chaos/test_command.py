"""`manage.py chaos` as people and scripts meet it; what it runs has tests of its own."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from django.core.management.base import CommandError

from qulab.management.commands.chaos import Command
from tests.chaos import harness, servers
from tests.chaos.compare import Finding
from tests.chaos.report import Report
from tests.process.running import PROJECT, eventually

NOWHERE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
CLEAN = Report(
    seed=1,
    database="sqlite",
    versions={"database": "SQLite 3", "redis": "valkey 8"},
    relays=3,
    producers=3,
    consumers=2,
    written=1001,
    poison=1,
    entries=1000,
    kills=2,
    faults={"relay-killed": 1, "poison": 1},
    violations={"lost": Finding(0, []), "doubled": Finding(0, [])},
    crashes=[],
    stuck=None,
    repeats_avoided=20,
    published_again=0,
    overtaken=0,
    seconds=10.0,
    events_per_second=100.1,
)


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = os.environ | NOWHERE | {"TMPDIR": str(folder)}
    command = [sys.executable, "manage.py", "chaos", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=pipe, stderr=pipe, text=True)


async def chaos(**given: Any) -> str:
    options = {"events": 100, "kills": 1, "seed": 1, "relays": 3, "database": "sqlite", "leave_out": [], "add": []}
    out = io.StringIO()
    await Command(stdout=out).execute_async(**(options | {"keep": False, "json": False} | given))
    return out.getvalue()


@pytest.fixture
def ends_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[Report], None]:
    """Have the run end with a report, without running anything."""

    def patch(report: Report) -> None:
        async def run_chaos(*_: object) -> Report:
            return report

        monkeypatch.setattr(harness, "run_chaos", run_chaos)

    return patch


class TestReport:
    def test_is_one_document_of_a_run_on_servers_of_its_own(self, folder: Path) -> None:
        """The servers that the settings name do not exist."""
        with start(folder, "--events", "200", "--kills", "3", "--database", "sqlite", "--json") as process:
            out, err = process.communicate(timeout=120)

        assert process.returncode == 0, err
        assert err == ""  # no terminal: no bar
        document = json.loads(out)
        assert sum(document["faults"].values()) == 3
        assert document["written"] - document["poison"] == document["entries"] == 200
        assert document["versions"]["redis"].split()[0] in {"redis", "valkey"}
        assert {finding["count"] for finding in document["violations"].values()} == {0}
        assert list(folder.iterdir()) == []

    async def test_is_readable(self, ends_with: Callable[[Report], None]) -> None:
        ends_with(CLEAN)

        text = await chaos()

        assert "1,001 events written, 1 of them poison; 1,000 entries" in text
        assert text.rstrip().endswith("Clean: nothing lost, doubled or inverted.")


class TestExitCode:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"violations": {"lost": Finding(3, ["a", "b", "c"])}}, "3 lost"),
            ({"stuck": "waited 60 s for the relays, in vain"}, "waited 60 s for the relays, in vain"),
            ({"crashes": ["relay-0 ended with code 1: ValueError"]}, "1 processes ended by themselves"),
        ],
    )
    @pytest.mark.parametrize("as_json", [True, False])
    async def test_is_1_after_a_violation(
        self, ends_with: Callable[[Report], None], changes: dict[str, Any], message: str, as_json: bool
    ) -> None:
        """A CommandError is what Django turns into exit code 1 and a line on standard error."""
        ends_with(msgspec.structs.replace(CLEAN, **changes))

        with pytest.raises(CommandError, match=message):
            await chaos(json=as_json)

    async def test_is_1_without_a_real_redis(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(servers, "find_redis", lambda: None)

        with pytest.raises(CommandError, match="There is no real Redis: the emulated one keeps nothing on disk"):
            await chaos()

    async def test_is_1_without_the_folder_of_tests(self, settings: Any, tmp_path: Path) -> None:
        settings.BASE_DIR = tmp_path

        with pytest.raises(CommandError, match="The harness is in tests/chaos of the checkout"):
            await chaos()

    async def test_is_1_for_a_kind_of_fault_that_there_is_not(self) -> None:
        with pytest.raises(CommandError, match="there is no kind of fault 'fire'; there are relay-killed"):
            await chaos(leave_out=["fire"])


class TestEnd:
    @pytest.mark.parametrize(
        ("database", "number", "code"),
        [("postgresql", signal.SIGINT, 130), ("sqlite", signal.SIGKILL, -signal.SIGKILL)],
    )
    def test_of_the_command_is_the_end_of_all_that_it_started(
        self, folder: Path, database: str, number: int, code: int
    ) -> None:
        with start(folder, "--database", database) as process:
            command = psutil.Process(process.pid)
            eventually(lambda: len(list(folder.rglob("*.at-work"))) >= 3, within=60, what=lambda: "a start")
            children = command.children(recursive=True)
            process.send_signal(number)
            try:
                process.communicate(timeout=30)
            finally:
                process.kill()

        assert process.returncode == code
        assert len(children) >= 10  # relays, producers, consumers, nursery, Redis, guard
        eventually(lambda: not any(child.is_running() for child in children), within=10, what=lambda: str(children))
