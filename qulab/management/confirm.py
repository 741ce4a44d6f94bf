"""Nothing is asked where nobody can answer, and Ctrl-C ends the question like everything else."""

import asyncio
import sys
from typing import TextIO


def can_ask() -> bool:
    return sys.stdin.isatty()


async def agreed(question: str, stream: TextIO) -> bool:
    """Put a question to the terminal, on `stream`. Only a yes is one."""
    stream.write(f"{question} [y/N] ")
    stream.flush()
    loop, typed = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
