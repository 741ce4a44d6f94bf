"""One heavy run at a time in a process: two would measure each other."""

from collections.abc import Iterator
from contextlib import contextmanager


class Busy(Exception):
    """Another experiment is running in this process. It ends within seconds; then try again."""


_running = False


@contextmanager
def alone() -> Iterator[None]:
    """Hold the process's place for experiments. Raises Busy when it is taken."""
    global _running  # one event loop for each process, and no await between look and take
    if _running:
        raise Busy
    _running = True
    try:
        yield
    finally:
        _running = False
