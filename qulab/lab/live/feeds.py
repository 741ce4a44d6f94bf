"""What this process itself can tell: its own pool, and the outbox of its database."""

import asyncio
from collections.abc import Mapping
from functools import partial

import msgspec

from qulab.db.engine import get_database
from qulab.lab.live.hub import Feed, Hub
from qulab.lab.live.outbox import outbox
from qulab.lab.live.topics import OUTBOX, OUTBOX_OF_ALL, POOL
from qulab.lab.pages import pool_view

POOL_PERIOD = 0.2  # seconds


async def pool(hub: Hub) -> None:
    """The pool, whenever it has changed. To look at it takes no connection."""
    told: bytes | None = None
    while hub.is_heard(POOL):
        now = msgspec.json.encode(pool_view(get_database()))
        if now != told:
            hub.tell(POOL, now, greets=True)
            told = now
        await asyncio.sleep(POOL_PERIOD)


FEEDS: Mapping[str, Feed] = {
    POOL: pool,
    OUTBOX: partial(outbox, topic=OUTBOX),
    OUTBOX_OF_ALL: partial(outbox, topic=OUTBOX_OF_ALL),
}
