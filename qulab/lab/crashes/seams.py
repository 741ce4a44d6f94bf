"""Two seams of the outbox, each with what is found there afterwards."""

import asyncio
import signal
import time

import msgspec
from redis.exceptions import RedisError

from outbox import activity, selectors
from outbox.figures import partition_figures
from outbox.models import Status
from outbox.relay import Relay
from qulab.cache import heartbeat, keys
from qulab.cache.client import get_streams
from qulab.db.engine import Database
from qulab.db.probe import Statement
from qulab.lab.crashes.child import LastWord, Moment
from qulab.lab.crashes.parent import crash, one_at_a_time
from qulab.lab.crashes.readings import Look, Rows, entries, look, rows
from qulab.lab.demo_users import event_demo_user
from qulab.lab.runs import Kind

PASSES_WITHIN = 5.0  # seconds for a relay that lives to come to the event; then this process makes a pass
LOOK_EVERY = 0.02  # seconds


class Stopped(Exception):
    """The publisher is stopped, and a relay obeys: it would publish nothing. Start the publisher first."""


class CrashedBefore(msgspec.Struct, frozen=True):
    """`entries` is None where Redis does not answer."""

    pid: int
    signal: str
    score_id: str
    event_id: str
    statements: list[Statement]
    left: Rows
    entries: int | None

    @property
    def count(self) -> int:
        return sum(not one.controls for one in self.statements)


class CrashedAfter(msgspec.Struct, frozen=True, kw_only=True):
    """`first` was read right after the death, `then` after the next pass; `seconds` lie between the two looks.

    `relay` made that pass, where its log says so; `by_page`: no relay came, so that the web process made it.
    Without `died` another relay was quicker, and there was nothing to die after.
    """

    died: bool
    tries: int
    pid: int
    signal: str
    event_id: str
    stream: str
    entry: str
    first: Look
    then: Look
    repeated: int
    seconds: float
    by_page: bool
    relay: str


BEFORE = Kind(5, "crash-before-commit", CrashedBefore)
AFTER = Kind(5, "crash-after-publish", CrashedAfter)


async def before_commit(database: Database) -> CrashedBefore:
    """Raises Crashing and NothingCrashed."""
    began = time.time()
    with one_at_a_time():
        word = await crash(Moment.BEFORE_COMMIT, database, await event_demo_user(database))
    try:
        found: int | None = await entries(keys.stream("AIRScore"), word.event_id, began)
    except RedisError:
        found = None
    left = await rows(database, word.score_id, word.event_id)
    name = signal.SIGKILL.name
    return CrashedBefore(word.pid, name, word.score_id, word.event_id, word.statements, left, found)


async def after_publish(database: Database) -> CrashedAfter:
    """Raises Crashing, NothingCrashed, Stopped, and RedisError when Redis is away."""
    began = time.time()
    await get_streams().ping()
    async with database.reading() as session:
        before = await partition_figures(session)
    if any(one.paused for one in before):
        raise Stopped
    with one_at_a_time():
        word = await crash(Moment.AFTER_PUBLISH, database, await event_demo_user(database))
        repeated = next((one.repeated for one in before if one.partition == word.partition), 0)
        return await _what_followed(database, word, began, repeated)


async def _what_followed(database: Database, word: LastWord, began: float, repeated: int) -> CrashedAfter:
    """`repeated` is what the partition's counter said before."""
    died_at = time.time()
    first = await look(database, word.event_id, word.stream, began)
    by_page = not await _marked(database, word.event_id)
    if by_page:
        await Relay(database, get_streams()).drain()
    then = await look(database, word.event_id, word.stream, began)
    lines = await activity.recent(get_streams())
    relay = next((one.relay for one in lines if one.repeated and one.at.timestamp() >= began), "")
    return CrashedAfter(
        died=word.died,
        tries=word.tries,
        pid=word.pid,
        signal=signal.SIGKILL.name,
        event_id=word.event_id,
        stream=word.stream,
        entry=word.entry,
        first=first,
        then=then,
        repeated=then.repeated - repeated,
        seconds=time.time() - died_at,
        by_page=by_page,
        relay=relay,
    )


async def _marked(database: Database, event_id: str) -> bool:
    """Wait for a relay that lives to mark the event. False: none is heard, or none came."""
    if (await heartbeat.ages(get_streams()))["worker-relay"] is None:
        return False
    deadline = time.monotonic() + PASSES_WITHIN
    while time.monotonic() < deadline:
        async with database.reading() as session:
            if (await selectors.event(session, event_id)).status == Status.PUBLISHED:
                return True
        await asyncio.sleep(LOOK_EVERY)
    return False
