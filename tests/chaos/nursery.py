"""Processes begin in 30 ms: they are forked from one that has imported everything and has connected to nothing.

Run as `python -m tests.chaos.nursery DESCRIPTOR`. Over the socket come lines that say what to start; back go lines that
say what has begun and ended. The end of the socket is the end of the nursery and of all that it started.
"""

import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable

import django
import msgspec

from tests.chaos import consumer_process, producer_process, relay_process

ROLES: dict[str, Callable[[list[str]], None]] = {
    "relay": relay_process.main,
    "producer": producer_process.main,
    "consumer": consumer_process.main,
}


class Start(msgspec.Struct, frozen=True):
    """A process to start. What it says goes to the file `log`."""

    role: str
    arguments: list[str]
    log: str


class Began(msgspec.Struct, frozen=True, tag="began"):
    """The answer to a Start, in the order in which they came."""

    pid: int


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """A process has ended. `code` is negative where a signal ended it."""

    pid: int
    code: int


Answer = Began | Ended


class Nursery:
    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._rest = b""
        self._children: set[int] = set()
        self._awake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def run(self) -> None:
        while True:
            ready, _, _ = select.select([self._channel.fileno(), self._awake], [], [])
            if self._awake in ready:
                os.read(self._awake, 4096)
                self._reap()
            if self._channel.fileno() in ready and not self._read():
                return self._end()

    def _read(self) -> bool:
        data = self._channel.recv(65536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._start(msgspec.json.decode(line, type=Start))
        return bool(data)

    def _start(self, start: Start) -> None:
        pid = os.fork()
        if pid == 0:
            self._channel.close()
            os._exit(_life(start))
        self._children.add(pid)
        self._answer(Began(pid))

    def _reap(self) -> None:
        for pid in list(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._children.discard(pid)
                self._answer(Ended(pid, os.waitstatus_to_exitcode(status)))

    def _end(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)

    def _answer(self, answer: Answer) -> None:
        self._channel.sendall(msgspec.json.encode(answer) + b"\n")


def _life(start: Start) -> int:
    """All that a forked process does; returns its exit code."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(start.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        ROLES[start.role](start.arguments)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    django.setup()  # so that the processes log as the product's do
    Nursery(socket.socket(fileno=int(sys.argv[1]))).run()
