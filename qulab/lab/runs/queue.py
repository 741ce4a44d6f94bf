"""What a visitor asks for is stored before a worker is asked to do it, and a visitor has one run under way.

A run that nobody works on any more does not keep its place: who asks next finds it out, and says so in its row.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from kombu.exceptions import OperationalError
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import ColumnElement, select

from qulab.cache import keys
from qulab.db.base import utcnow
from qulab.db.engine import get_database
from qulab.db.errors import Conflict
from qulab.db.session import Session
from qulab.lab.models import UNDER_WAY, Run, RunStatus
from qulab.lab.runs import RunRepository
from qulab.lab.runs.progress import ask_to_cancel, last_word

MOST_QUEUED = 8  # runs of all visitors together
MOST_OF_A_NETWORK = 4  # of these: who asks from one address leaves room for others
WAITS_AT_MOST = timedelta(minutes=15)  # for a worker; eight runs before it take that long at the very most
SILENT_AT_MOST = timedelta(seconds=20)  # after its start, before its first word
SEND_SECONDS = 3.0
LOST = "The worker that measured this ended before the run did. Start it again."
NEVER_TAKEN = "No worker of the queue “lab” took this run. See whether one runs, then start it again."
NOT_SENT = "The run could not be handed to a worker: Redis, which carries the queue, does not answer."


class UnderWay(Exception):
    """You have a run under way. Wait until it ends, or cancel it; then start the next one."""

    def __init__(self, run_id: str | None) -> None:
        super().__init__(self.__doc__)
        self.run_id = run_id


class Crowded(Exception):
    """As many runs from your network are under way as may be at once. Each takes some seconds: try again soon."""


class Full(Exception):
    """Other visitors' runs are waiting already, as many as may. Each takes some seconds: try again soon."""


class NotSent(Exception):
    """The run could not be handed to a worker: Redis, which carries the queue, does not answer. Start it first."""


async def ask_for(
    session: Session, redis: Redis, *, experiment: str, parameters: Mapping[str, Any], visitor: str, network: str = ""
) -> str:
    """Store a run and hand it to the worker; returns its id. Raises UnderWay, Crowded, Full, NotSent.

    Runs from one `network` are counted together, unless it has no name.
    """
    under_way = await _settle(session, redis)
    await _leave_room(redis, network, under_way)
    waiting = await RunRepository(session).count(Run.status.in_(UNDER_WAY))
    if waiting >= MOST_QUEUED:
        raise Full
    run = Run(experiment=experiment, parameters=dict(parameters), visitor=visitor, status=RunStatus.QUEUED)
    try:
        await RunRepository(session).add(run)
    except Conflict:
        await session.rollback()
        raise UnderWay(await _under_way(session, visitor)) from None
    await session.commit()
    await _note(redis, network, run.id)
    # In a task of its own: who leaves now must not leave a run behind that nobody was told of.
    await asyncio.shield(asyncio.ensure_future(_hand_over(run.id)))
    return run.id


async def _hand_over(run_id: str) -> None:
    """Raises NotSent. A message that arrived although its answer did not is no failure: its run was taken."""
    try:
        await send(run_id)
    except (OperationalError, RedisError, OSError, TimeoutError) as error:
        # A session of its own, too: the request's is closed when its client has left.
        async with get_database().writing() as session:
            failed = await RunRepository(session).update(
                Run.id == run_id,
                Run.status == RunStatus.QUEUED,
                status=RunStatus.FAILED,
                error=NOT_SENT,
                finished_at=utcnow(),
            )
            await session.commit()
        if failed:
            raise NotSent from error


async def send(run_id: str) -> None:
    """Put the run into the queue `lab`. Celery's client waits for its broker, so it does that in a thread."""
    from qulab.lab.tasks import run_experiment  # the task needs this module

    async with asyncio.timeout(SEND_SECONDS):
        await asyncio.to_thread(run_experiment.apply_async, args=[run_id], queue="lab", retry=False)


async def cancel(session: Session, redis: Redis, run_id: str) -> None:
    """End a run that waits at once, and ask for the end of one that is measured. Raises RedisError for the second."""
    waited = await RunRepository(session).update(
        Run.id == run_id, Run.status == RunStatus.QUEUED, status=RunStatus.CANCELLED, finished_at=utcnow()
    )
    await session.commit()
    if not waited:
        await ask_to_cancel(redis, run_id)


async def end(session: Session, run_id: str, status: RunStatus, *, error: str | None = None) -> None:
    """Give a run that is under way its final status."""
    await RunRepository(session).update(
        Run.id == run_id, Run.status.in_(UNDER_WAY), status=status, error=error, finished_at=utcnow()
    )
    await session.commit()


async def prune(session: Session, *, before: datetime) -> int:
    """Delete what was asked for before that moment, and is under way no more; returns how many."""
    deleted = await RunRepository(session).delete(Run.created_at < before, Run.status.not_in(UNDER_WAY))
    await session.commit()
    return deleted


async def remove(session: Session, *where: ColumnElement[bool]) -> int:
    """Delete these runs, except those under way, whose worker still writes; returns how many. Commits nothing."""
    return await RunRepository(session).delete(*where, Run.status.not_in(UNDER_WAY))


def why_lost(
    status: str, asked_at: datetime, started_at: datetime | None, now: datetime, *, speaks: bool
) -> str | None:
    """Why nobody will end a run, where that is so. `speaks`: it said within LIFETIME that it lives."""
    if status == RunStatus.QUEUED:
        return NEVER_TAKEN if now - asked_at > WAITS_AT_MOST else None
    if status != RunStatus.RUNNING or speaks:
        return None
    return LOST if started_at is None or now - started_at > SILENT_AT_MOST else None


async def _leave_room(redis: Redis, network: str, under_way: set[str]) -> None:
    """Raises Crowded, and NotSent without Redis."""
    if not network or len(under_way) < MOST_OF_A_NETWORK:
        return
    try:
        theirs = await redis.smembers(keys.runs_of(network))
    except (RedisError, OSError):
        raise NotSent from None
    if len(under_way & theirs) >= MOST_OF_A_NETWORK:
        raise Crowded


async def _note(redis: Redis, network: str, run_id: str) -> None:
    """Without Redis the run is not sent either, and need not be counted."""
    if not network:
        return
    with suppress(RedisError, OSError):
        async with redis.pipeline(transaction=False) as pipeline:
            pipeline.sadd(keys.runs_of(network), run_id)
            pipeline.expire(keys.runs_of(network), WAITS_AT_MOST + WAITS_AT_MOST)
            await pipeline.execute()


async def _settle(session: Session, redis: Redis) -> set[str]:
    """Say of each run that was lost that it was; the others. Raises NotSent without Redis, which alone knows."""
    columns = (Run.id, Run.status, Run.created_at, Run.started_at)
    under_way = (await session.execute(select(*columns).where(Run.status.in_(UNDER_WAY)).limit(2 * MOST_QUEUED))).all()
    await session.rollback()  # nothing of the database is held while Redis is asked
    alive = {row.id for row in under_way}
    for run_id, status, asked_at, started_at in under_way:
        try:
            speaks = await last_word(redis, run_id) is not None
        except (RedisError, OSError):
            raise NotSent from None
        if (reason := why_lost(status, asked_at, started_at, utcnow(), speaks=speaks)) is not None:
            await end(session, run_id, RunStatus.FAILED, error=reason)
            alive.discard(run_id)
    return alive


async def _under_way(session: Session, visitor: str) -> str | None:
    found: str | None = await session.scalar(
        select(Run.id).where(Run.visitor == visitor, Run.status.in_(UNDER_WAY)).limit(1)
    )
    return found
