"""A relay to be killed: `python -m tests.chaos.relay_process [--die-at-settle N] [--without-mark]`.

`--die-at-settle N` kills the process for good between the Lua call of its Nth batch and the COMMIT of that batch.
`--without-mark` takes the comparison out of the Lua script: a check that cannot fail with it proves nothing.
"""

import argparse
import asyncio
import os
import signal

import django

django.setup()

from outbox import marks, relay, verdict  # noqa: E402 - Django must be set up first
from qulab.cache.client import get_streams  # noqa: E402
from qulab.db.engine import get_database  # noqa: E402

COMPARISON = "if mark ~= ARGV[1] then"


class DoomedRelay(relay.Relay):
    """Dies where it hurts most: Redis has the batch, and the database does not know."""

    die_at = 0

    async def _settle(self, session, work, outcome, tally):  # type: ignore[no-untyped-def]
        if outcome.ending is verdict.Ending.PUBLISHED:
            DoomedRelay.die_at -= 1
            if DoomedRelay.die_at == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return await super()._settle(session, work, outcome, tally)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--die-at-settle", type=int, default=0)
    parser.add_argument("--without-mark", action="store_true")
    options = parser.parse_args()
    DoomedRelay.die_at = options.die_at_settle
    if options.without_mark:
        assert COMPARISON in marks.PUBLISH
        marks.PUBLISH = marks.PUBLISH.replace(COMPARISON, "if false then")
    asyncio.run(run())


async def run() -> None:
    print("relaying", flush=True)
    await DoomedRelay(get_database(), get_streams()).run()


if __name__ == "__main__":
    main()
