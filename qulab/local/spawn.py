"""Every child leads its own process group, hears no terminal, and is ended with its group, also when we are killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

GUARD = Path(__file__).with_name("guard.py")


class ServiceError(Exception):
    """A local process or folder could not be used. The message says what failed, why, and what to do."""


class _Guard:
    """The other end of `guard.py`: one for this process, started with its first child."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def tell(self, line: str) -> None:
        with self._lock:
            if self._closed:
                raise ServiceError("Nothing is started any more: this process is ending.")
            if self._process is None:
                # -I: no folder of ours on the path, no user settings; it starts in 20 ms.
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(GUARD)], stdin=subprocess.PIPE, text=True, start_new_session=True
                )
            pipe = self._process.stdin
            assert pipe is not None
            with suppress(BrokenPipeError):  # somebody ended the guard: it is the second net, and the first holds
                pipe.write(line + "\n")
                pipe.flush()

    def close(self) -> None:
        """Kill whatever was not reported as ended, and end the guard. Nothing can be started from now on."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.communicate("!\n")
                self._process = None


guard = _Guard()


def spawn(
    command: Sequence[str | Path],
    *,
    output: int | IO[bytes],
    cwd: Path | None = None,
    user: tuple[int, int] | None = None,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `command` in a group of its own. `user` is (uid, gid); `keep` are file descriptors it inherits."""
    uid, gid = user or (None, None)
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        start_new_session=True,
        user=uid,
        group=gid,
        extra_groups=None if user is None else [],
        pass_fds=tuple(keep),
    )
    try:
        guard.tell(f"+{process.pid}")
    except ServiceError:
        signal_group(process, signal.SIGKILL)
        process.wait()
        raise
    return process


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody left in the group; macOS says it the second way
        os.killpg(process.pid, number)


def end(process: subprocess.Popen[bytes], *signals: int, seconds: float) -> int:
    """Ask with each signal in turn for its share of `seconds`, then kill. The whole group is gone afterwards."""
    deadline = time.monotonic() + seconds
    for position, number in enumerate(signals):
        process.send_signal(number)
        share = (deadline - time.monotonic()) / (len(signals) - position)
        try:
            process.wait(max(share, 0))
            break
        except subprocess.TimeoutExpired:
            continue
    signal_group(process, signal.SIGKILL)
    code = process.wait()
    with suppress(ServiceError):
        guard.tell(f"-{process.pid}")
    return code


def last_line(log: Path) -> str:
    """What a server said last, for the message of its failure."""
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it wrote nothing")
