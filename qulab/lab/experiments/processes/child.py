"""A process of an experiment answers one question after the other, begins when it is told, and ends with its starter.

Run as a script: `child.py MODULE`. The first line of standard input is a JSON object, with which `MODULE.Worker` is
made; each later one is `[method, arguments]`, and what the method returns is the answer. The line `stop` sets the event
that the Worker was given. The end of the input is the starter's: the process is gone with it.
"""

import asyncio
import inspect
import json
import os
import sys
import threading
from importlib import import_module
from queue import SimpleQueue
from typing import Any

STOP = "stop"


def listen(questions: "SimpleQueue[str]", stopped: threading.Event) -> None:
    # Not through `sys.stdin`, whose lock a process that fails at once would find taken when it ends.
    with os.fdopen(os.dup(0), encoding="utf-8") as lines:
        for line in lines:
            if line.strip() == STOP:
                stopped.set()
            else:
                stopped.clear()
                questions.put(line)
    os._exit(1)


def answer(module: str) -> None:
    questions, stopped = SimpleQueue[str](), threading.Event()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # what anything else prints is no answer
        threading.Thread(target=listen, args=(questions, stopped), daemon=True).start()
        if os.environ.get("DJANGO_SETTINGS_MODULE"):
            import_module("django").setup()
        worker = import_module(module).Worker(stopped=stopped, **json.loads(questions.get()))
        with asyncio.Runner() as runner:
            while True:
                method, given = json.loads(questions.get())
                value: Any = getattr(worker, method)(**given)
                told = runner.run(value) if inspect.iscoroutine(value) else value
                answers.write(json.dumps(told) + "\n")
                answers.flush()


if __name__ == "__main__":
    answer(sys.argv[1])
