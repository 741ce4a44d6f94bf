"""The harness and its processes speak through small files: who is killed at any moment leaves none half written.

An order is taken by the process that it names, once, at the moment that it names.
"""

import os
import signal
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path


class Moment(StrEnum):
    """Where in a pass a relay obeys."""

    BEFORE_CALL = "before-call"  # it has read its batch, and Redis has not heard of it
    AFTER_CALL = "after-call"  # Redis has the batch, and the database does not know
    AFTER_RECOVER = "after-recover"  # Redis has begun a generation, and the database does not know


class Orders:
    """A folder of files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def give(self, name: str, moment: Moment, number: signal.Signals) -> None:
        """Have the process send itself a signal at the next such moment."""
        _replace(self._order(name, moment), str(int(number)))

    def withdraw(self, name: str, moment: Moment) -> bool:
        """False: it was carried out already."""
        try:
            self._order(name, moment).unlink()
        except FileNotFoundError:
            return False
        return True

    def is_given(self, name: str, moment: Moment) -> bool:
        return self._order(name, moment).exists()

    def obey(self, name: str, moment: Moment) -> None:
        """Carry out what was ordered. Called in the process."""
        try:
            number = int(self._order(name, moment).read_text())
            self._order(name, moment).unlink()
        except FileNotFoundError:
            return
        os.kill(os.getpid(), number)

    @property
    def allowed(self) -> int:
        """How many events may be written in all by now."""
        try:
            return int((self._folder / "allowed").read_text())
        except FileNotFoundError:
            return 0

    @allowed.setter
    def allowed(self, events: int) -> None:
        _replace(self._folder / "allowed", str(events))

    def is_at_work(self, name: str, pid: int) -> bool:
        """Whether this life of the process has done something."""
        return (self._folder / f"{name}.{pid}.at-work").exists()

    def at_work(self, name: str) -> Callable[[], None]:
        """To be called in the process whenever it did something; only the first call costs anything."""
        told = False

        def tell() -> None:
            nonlocal told
            if not told:
                told = True
                (self._folder / f"{name}.{os.getpid()}.at-work").touch()

        return tell

    def _order(self, name: str, moment: Moment) -> Path:
        return self._folder / f"{name}.{moment}"


def _replace(file: Path, text: str) -> None:
    """Whole or not at all."""
    new = file.with_suffix(file.suffix + ".new")
    new.write_text(text)
    new.replace(file)
