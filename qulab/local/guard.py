"""Nothing outlives the process that started it: when its end of the pipe breaks, this one ends what it had started.

Run as a script by `qulab.local.spawn`. Standard input carries `+group` for a process group that was started and
`-group` for one that has ended. The end of the input means that the starter is gone, perhaps by SIGKILL. A `!` before
it means that the starter has been patient already, and what is left is killed at once.
"""

import os
import signal
import sys
import time

GRACE = 2.0  # seconds between SIGTERM and SIGKILL


def send(groups: set[int], number: int) -> set[int]:
    """The groups that still exist, after the signal."""
    left = set()
    for group in groups:
        try:
            os.killpg(group, number)
            left.add(group)
        except ProcessLookupError:
            pass
        except PermissionError:  # macOS says so of a group that has only zombies
            pass
    return left


def main() -> None:
    groups: set[int] = set()
    grace = GRACE
    for line in sys.stdin:
        if line[0] == "!":
            grace = 0
        elif line[0] == "+":
            groups.add(int(line[1:]))
        else:
            groups.discard(int(line[1:]))
    deadline = time.monotonic() + grace
    groups = send(groups, signal.SIGTERM)
    while groups and time.monotonic() < deadline:
        time.sleep(0.05)
        groups = send(groups, 0)
    send(groups, signal.SIGKILL)


if __name__ == "__main__":
    main()
