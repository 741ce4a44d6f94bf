"""A child to be tested: what `child.py` makes of a module with a Worker."""

import asyncio
import threading


class Worker:
    def __init__(self, *, stopped: threading.Event, word: str) -> None:
        self.stopped = stopped
        self.word = word

    def open(self) -> None:
        print("this is no answer")

    def say(self, *, times: int) -> str:
        return self.word * times

    async def later(self, *, times: int) -> str:
        await asyncio.sleep(0)
        return self.word * times

    def until_stopped(self) -> str:
        self.stopped.wait()
        return "stopped"

    def fail(self) -> None:
        raise RuntimeError("oh no")
