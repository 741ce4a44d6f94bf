"""One log for all processes: whole lines, each under the name of who wrote it, in colour only on a terminal."""

import threading
from collections.abc import Callable
from typing import TextIO

WIDTH = 12  # of the longest name, "worker-relay"
COLOURS = (36, 32, 33, 35, 34, 96, 92, 95)  # ANSI: none of them red, which is for errors


class Log:
    """Writes lines of many threads. `on_closed` is called once when nobody reads any more, as after `| head`."""

    def __init__(self, stream: TextIO, on_closed: Callable[[], None] = lambda: None) -> None:
        self._stream = stream
        self._on_closed = on_closed
        self._coloured = stream.isatty()
        self._colours: dict[str, int] = {}
        self._lock = threading.Lock()
        self._closed = False

    def write(self, name: str, line: str) -> None:
        with self._lock:
            if self._closed:
                return
            try:
                self._stream.write(f"{self._prefix(name)} {line}\n")
                self._stream.flush()
                return
            except (BrokenPipeError, ValueError):  # ValueError: the stream was closed
                self._closed = True
        self._on_closed()

    def _prefix(self, name: str) -> str:
        text = f"{name:<{WIDTH}} |"
        if not self._coloured:
            return text
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        return f"\x1b[{colour}m{text}\x1b[0m"
