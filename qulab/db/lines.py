"""A statement is traced to the line of our code that sent it, across SQLAlchemy's greenlet and a commit's own task.

The frames below a statement are SQLAlchemy's, inside a greenlet; the coroutines that await it are the frames of the
greenlet's parent. Innermost first, the first frame of ours outside `qulab.db` is the line.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
from greenlet import getcurrent  # type: ignore[import-untyped]

from qulab.db.session import committing_task

ROOT = Path(__file__).resolve().parents[2]
FLOOR = Path(__file__).resolve().parent  # sends statements for others: who called it is the answer
AWAITS = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE


class Line(msgspec.Struct, frozen=True):
    """A place in our code: path below the project's folder, and the function it is in."""

    path: str
    number: int
    function: str

    def __str__(self) -> str:
        return f"{self.path}:{self.number}"


def calling_line() -> Line | None:
    """The innermost line of ours that leads to the caller; None where no code of ours does."""
    frame = next((one for one in _frames() if _path(one.f_code.co_filename)), None)
    if frame is None:
        return None
    # Of `f.<locals>.<lambda>` and the like, a reader looks for `f`.
    function = re.sub(r"\.<\w+>", "", frame.f_code.co_qualname)
    return Line(_path(frame.f_code.co_filename), frame.f_lineno, function)


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back
    greenlet = getcurrent().parent
    while greenlet is not None:
        yield from _awaiting(greenlet.gr_frame)
        greenlet = greenlet.parent
    if (task := committing_task.get()) is not None:
        yield from reversed(list(_suspended(task.get_coro())))


def _awaiting(frame: FrameType | None) -> Iterator[FrameType]:
    """Up the coroutines of the running task; where they end the event loop begins, and who started it sent nothing."""
    while frame is not None and frame.f_code.co_flags & AWAITS:
        yield frame
        frame = frame.f_back


def _suspended(awaited: Any) -> Iterator[FrameType]:
    """Down the coroutines of a task that waits: its frames do not know each other, its coroutines do."""
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None:
            yield frame
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)


@cache
def _path(filename: str) -> str:
    """Below the project's folder; empty for what is not ours, and for the data layer."""
    path = Path(filename)
    if not path.is_relative_to(ROOT) or path.is_relative_to(FLOOR):
        return ""
    relative = path.relative_to(ROOT)
    installed = "site-packages" in relative.parts or relative.parts[0].startswith(".")
    return "" if installed else relative.as_posix()
