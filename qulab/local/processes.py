"""Each process is watched from its start to its end; whoever ends unasked is told to the lab with its last words."""

import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from qulab.local.log import Log
from qulab.local.spawn import end, last_line, spawn

LAST_WORDS_SECONDS = 0.5  # a grandchild may keep the pipe open after its parent has ended


@dataclass(frozen=True)
class Ended:
    """A process has ended."""

    name: str
    code: int
    last: str

    def __str__(self) -> str:
        how = f"ended with exit code {self.code}" if self.code >= 0 else f"was ended by {_signal_name(-self.code)}"
        return f"{self.name} {how}; its last line: {self.last or '(none)'}"


class Child:
    """A process whose output is told line by line, and whose last line is kept."""

    def __init__(
        self, name: str, command: Sequence[str | Path], tell: Callable[[str, str], None], *, cwd: Path
    ) -> None:
        self.name = name
        self.process = spawn(command, output=subprocess.PIPE, cwd=cwd)
        self.last = ""
        self._reader = threading.Thread(target=self._copy, args=(tell,), daemon=True)
        self._reader.start()

    def ended(self) -> Ended:
        """Wait for the end."""
        code = self.process.wait()
        self._reader.join(LAST_WORDS_SECONDS)
        return Ended(self.name, code, self.last)

    def _copy(self, tell: Callable[[str, str], None]) -> None:
        assert self.process.stdout is not None
        for raw in self.process.stdout:
            line = raw.decode(errors="replace").rstrip()
            if line:
                self.last = line
                tell(self.name, line)


class Processes:
    """The processes of one lab. `on_end` is called, in a thread, for each that ends before `stop()`."""

    def __init__(self, log: Log, on_end: Callable[[Ended], None], *, cwd: Path) -> None:
        self._log = log
        self._on_end = on_end
        self._cwd = cwd
        self._running: list[tuple[subprocess.Popen[bytes], tuple[int, ...]]] = []
        self._stopping = False

    def start(
        self, name: str, command: Sequence[str | Path], *, then: int = signal.SIGTERM, quiet: bool = False
    ) -> None:
        """Start a process. It is asked to end by SIGTERM, then by `then`. A quiet one only has last words."""
        child = Child(name, command, _nobody if quiet else self._write, cwd=self._cwd)
        self._running.append((child.process, (signal.SIGTERM, then)))
        self._watch(child.ended)

    def watch(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        """Watch a server that somebody else started and will stop."""
        self._watch(lambda: Ended(name, process.wait(), last_line(log)))

    def stop(self, seconds: float) -> None:
        """End all of them within `seconds`, at the same time."""
        self._stopping = True
        with ThreadPoolExecutor(max(len(self._running), 1)) as threads:
            for process, signals in self._running:
                threads.submit(end, process, *signals, seconds=seconds)
        self._running.clear()

    def _write(self, name: str, line: str) -> None:
        # How each process says farewell would bury why the lab stops.
        if not self._stopping:
            self._log.write(name, line)

    def _watch(self, wait: Callable[[], Ended]) -> None:
        threading.Thread(target=self._tell, args=(wait,), daemon=True).start()

    def _tell(self, wait: Callable[[], Ended]) -> None:
        ended = wait()
        if not self._stopping:
            self._on_end(ended)


def _nobody(_name: str, _line: str) -> None:
    pass


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
