"""A lab under test: started as a newcomer starts it, watched through what it prints, and always ended."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 3.0

Value = TypeVar("Value")


def eventually(read: Callable[[], Value], *, within: float, what: Callable[[], str]) -> Value:
    """The first true value that `read` returns; fails after `within` seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if value := read():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {within} s: {what()}")


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """What a newcomer's shell has, and nothing of this test run's own settings."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "QULAB_DATA_DIR": str(folder), **settings}


def manage(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command that is to end by itself."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env=environment(folder, **settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


class RunningLab:
    """`manage.py lab` in a session of its own, as in a terminal of its own."""

    def __init__(self, folder: Path, port: int, *options: str, **settings: str) -> None:
        self.folder = folder
        self.port = port
        self._log = folder.with_suffix(".log")
        self._answered_after: float | None = None
        self.started = time.monotonic()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "lab", "--port", str(port), *options],
                cwd=PROJECT,
                env=environment(folder, **settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for_address(self) -> float:
        """Seconds from the start until the lab printed its address, as first seen here."""
        if self._answered_after is None:
            self._answered_after = self.wait_for_line("QuLab answers at") - self.started
        return self._answered_after

    def wait_for_line(self, text: str, within: float = START_SECONDS) -> float:
        def said_or_ended() -> bool:
            return text in self.output or self.process.poll() is not None

        eventually(said_or_ended, within=within, what=lambda: f"{text!r} in:\n{self.output}")
        assert text in self.output, self.output
        return time.monotonic()

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def readiness(self, status: int, within: float) -> dict[str, Any]:
        """The body of /readyz once it answers with `status`."""
        answers: list[tuple[int, str]] = []

        def answered() -> bool:
            answers.append(self.get("/readyz"))
            return answers[-1][0] == status

        eventually(answered, within=within, what=lambda: f"/readyz {status} after {answers[-1]}; see\n{self.output}")
        body: dict[str, Any] = json.loads(answers[-1][1])
        return body

    def processes(self) -> dict[int, str]:
        """Everything the lab has started, children of children included: pid and command line."""
        found = {}
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it ended between the two looks
                found[child.pid] = " ".join(child.cmdline())
        return found

    def pid_of(self, words: str) -> int:
        """The oldest process whose command line has the words."""
        return min(pid for pid, command in self.processes().items() if words in command)

    def end_by(self, number: int, *, whole_group: bool = False) -> tuple[int, float]:
        """Send a signal to the lab, or to its process group as a terminal does. Returns exit code and seconds."""
        sent = time.monotonic()
        (os.killpg if whole_group else os.kill)(self.process.pid, number)
        code = self.process.wait(2 * STOP_SECONDS)
        return code, time.monotonic() - sent

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(2 * STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def survivors(pids: dict[int, str], folder: Path) -> dict[int, str]:
    """Which of the processes are still there, and any other that was started with this data folder."""
    left = {}
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue  # ended; its new parent has not yet taken note
            mine = process.environ().get("QULAB_DATA_DIR") == str(folder)
            if mine or process.pid in pids:
                left[process.pid] = " ".join(process.cmdline())
        except psutil.Error:
            continue
    return left
