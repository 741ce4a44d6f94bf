"""uvicorn as it is, except that it ends with the process which started it, also when that one was killed.

Run as a script, with uvicorn's own arguments. Standard input is a pipe whose other end the starter holds.
"""

import os
import threading

import uvicorn


def end_with_the_starter() -> None:
    # Not through `sys.stdin`, whose lock a server that fails at once would find taken when it ends.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_starter, daemon=True).start()
    uvicorn.main()
