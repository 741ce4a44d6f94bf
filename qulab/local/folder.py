"""A data folder belongs to one lab at a time: the lock goes with the last process that holds it, however it ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qulab.local.spawn import ServiceError

CLEAN_UP_SECONDS = 5.0  # what the guard of a lab that was killed takes at most, with a margin


class FolderUnusable(ServiceError):
    """The data folder cannot be written."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"The data folder {folder} cannot be used: {reason}. Set QULAB_DATA_DIR to a folder that you may write to."
        )


class FolderTaken(ServiceError):
    """Another lab runs on the data folder."""

    def __init__(self, folder: Path, holder: str) -> None:
        super().__init__(
            f"Another lab (process {holder}) runs on the data folder {folder}. "
            "Stop it, or set QULAB_DATA_DIR to another folder."
        )


@contextmanager
def claimed(folder: Path) -> Iterator[int]:
    """Make the folder and hold its lock. Yields the lock's file descriptor, for servers that write there to inherit."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lab.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise FolderUnusable(folder, error.strerror or str(error)) from None
    try:
        _lock(lock, folder)
        yield lock
    finally:
        os.close(lock)


def _lock(lock: int, folder: Path) -> None:
    deadline = time.monotonic() + CLEAN_UP_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode().strip() or "unknown"
            # The holder was killed: its servers still hold the lock for the moment that their end takes.
            if _runs(holder) or time.monotonic() > deadline:
                raise FolderTaken(folder, holder) from None
            time.sleep(0.05)
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def _runs(holder: str) -> bool:
    try:
        os.kill(int(holder), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return True
