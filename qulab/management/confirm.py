"""Nothing is asked where nobody can answer, and Ctrl-C ends the question like everything else."""

import asyncio
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


def can_ask() -> bool:
    return sys.stdin.isatty()


async def agreed(question: str, stream: TextIO) -> bool:
    """Put a question to the terminal, on `stream`. Only a yes is one."""
    stream.write(f"{question} [y/N] ")
    return (await _typed(stream)).strip().lower() in {"y", "yes"}


async def asked_secretly(question: str, stream: TextIO) -> str:
    """A line that the terminal does not show while it is typed."""
    stream.write(f"{question} ")
    with _without_echo():
        line = await _typed(stream)
    stream.write("\n")
    return line.removesuffix("\n")


async def _typed(stream: TextIO) -> str:
    stream.flush()
    loop, typed = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline()


@contextmanager
def _without_echo() -> Iterator[None]:
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(terminal, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
