"""Prune takes what is past retention, and nothing that a relay, a recovery, a person or a consumer could still need."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select, text, update

from outbox.consumer import Consumer
from outbox.envelope import decode
from outbox.models import DomainEvent, Status
from outbox.pruning import foretell
from outbox.relay import Relay
from outbox.repositories import past_retention
from outbox.streams import Trimmed
from qulab.cache.client import create_redis
from qulab.db.base import utcnow
from qulab.db.engine import Database
from qulab.db.probe import probe
from tests.admin.conftest import event, store
from tests.outbox.helpers import write_events
from tests.outbox.retention import MONTH, NOTHING, STREAM, ended, ids, next_millisecond, prune


class TestEvents:
    async def test_go_when_they_were_created_and_came_to_their_end_before_the_cut_off(
        self, database: Database, streams_client: Redis
    ) -> None:
        day, long_ago = timedelta(days=1), MONTH + timedelta(days=1)
        gone = [ended(status, created=long_ago, at=long_ago) for status in (Status.PUBLISHED, Status.DISCARDED)]
        kept = [
            *(ended(status, created=long_ago, at=long_ago) for status in (Status.PENDING, Status.DEAD)),
            ended(Status.PUBLISHED, created=day, at=day),
            ended(Status.DISCARDED, created=day, at=day),
            ended(Status.PUBLISHED, created=long_ago, at=day),  # replayed
            ended(Status.DISCARDED, created=long_ago, at=day),  # given up only now
        ]
        await store(database, *gone, *kept)

        told = await prune(database, streams_client, MONTH)

        assert await ids(database) == {row.id for row in kept}
        assert (told.published, told.discarded) == (1, 1)

    async def test_go_in_batches_each_in_a_transaction_of_its_own(
        self, database: Database, streams_client: Redis
    ) -> None:
        await store(database, *(ended(Status.PUBLISHED, created=MONTH, at=MONTH) for _ in range(5)))

        with probe(database.engine) as opened:
            told = await prune(database, streams_client, batch=2)

        deletes = [one for one in opened.statements if "DELETE FROM domain_events" in one.sql]
        assert told.published == 5
        assert len(deletes) == 3 + 1 + 1  # 2, 2, 1 and none; and no discarded one

    async def test_of_one_moment_may_be_more_than_a_batch(self, database: Database, streams_client: Redis) -> None:
        at = utcnow() - MONTH
        await store(database, *(event(Status.PUBLISHED, created_at=at, published_at=at) for _ in range(7)))

        assert (await prune(database, streams_client, batch=2)).published == 7

    async def test_are_found_by_the_index(self, database: Database) -> None:
        async with database.writing() as session:
            now = utcnow()
            columns = {"event_type": "X", "aggregate_type": "X", "aggregate_id": "x", "payload": {}, "partition": 0}
            rows = [
                {"id": str(n), "created_at": now, "published_at": now, "status": "published", **columns}
                for n in range(2000)
            ]
            await session.execute(DomainEvent.__table__.insert(), rows)
            await session.commit()
            await session.execute(text("ANALYZE"))
            await session.commit()
        old = past_retention(Status.PUBLISHED, utcnow() - MONTH)
        statement = select(DomainEvent.id).where(*old).order_by(DomainEvent.created_at).limit(1000)

        async with database.reading() as session:
            sql = str(statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))
            command = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
            plan = " ".join(str(row[-1]) for row in await session.execute(text(f"{command} {sql}".replace(":", r"\:"))))

        assert "ix_events_status_created" in plan
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan

    async def test_that_somebody_is_changing_are_passed_over_and_not_waited_for(
        self, database: Database, streams_client: Redis
    ) -> None:
        """PostgreSQL: SQLite has one writer, and pruning waits for it."""
        if database.dialect == "sqlite":
            pytest.skip("SQLite has no row locks")
        rows = [ended(Status.PUBLISHED, created=MONTH, at=MONTH) for _ in range(3)]
        await store(database, *rows)

        async with database.writing() as recovery, asyncio.timeout(5):
            reopened = {"status": Status.PENDING, "published_at": None}
            await recovery.execute(update(DomainEvent).where(DomainEvent.id == rows[1].id).values(reopened))
            told = await prune(database, streams_client)
            await recovery.commit()

        assert told.published == 2
        assert await ids(database) == {rows[1].id}


class TestRecovery:
    async def test_beside_pruning_loses_no_event(self, database: Database, redis_url: str, relay: Relay) -> None:
        """Retention is zero and Redis is emptied again and again. Each event is seen in a stream, or still pending."""
        redis = create_redis(redis_url, timeout=5.0, text=True)
        seen: set[str] = set()
        written: set[str] = set()
        stop = asyncio.Event()
        busy = [
            asyncio.create_task(_until(stop, lambda: relay.run(seconds=0.05))),
            asyncio.create_task(_until(stop, lambda: prune(database, redis, batch=20))),
        ]
        for _ in range(15):
            await write_events(database, 40, aggregates=5)
            written |= await ids(database)
            seen |= await _empty(redis)
        async with asyncio.timeout(60):
            while await _pending(database):
                await asyncio.sleep(0.01)
        seen |= await _empty(redis)
        stop.set()
        await asyncio.gather(*busy)
        await redis.aclose()

        assert written - seen == set()


async def _until(stop: asyncio.Event, work: Callable[[], Awaitable[object]]) -> None:
    while not stop.is_set():
        await work()
        await asyncio.sleep(0.001)


async def _empty(redis: Redis) -> set[str]:
    """Empty Redis; the ids of the events that were in the stream at that very moment.

    A group that reads nothing has it keep all entries.
    """
    async with redis.pipeline(transaction=True) as pipeline:
        pipeline.xrange(STREAM)
        pipeline.flushdb()
        pipeline.xgroup_create(STREAM, "watch", id="0", mkstream=True)
        entries, *_ = await pipeline.execute()
    return {decode(fields["event"]).id for _, fields in entries}


async def _pending(database: Database) -> int:
    async with database.reading() as session:
        found = await session.scalar(
            select(func.count()).select_from(DomainEvent).where(DomainEvent.status == Status.PENDING)
        )
    return found or 0


class TestForetell:
    async def test_says_what_would_go_and_changes_nothing(
        self, database: Database, streams_client: Redis, relay: Relay
    ) -> None:
        await write_events(database, 5, aggregates=1)
        await relay.drain()
        await Consumer(database, streams_client, "readers", name="one").step()
        await store(database, ended(Status.DISCARDED, created=MONTH, at=MONTH), event(Status.DEAD), event())
        await next_millisecond(streams_client)
        rows = await ids(database)

        foretold = await foretell(database, streams_client, older_than=NOTHING)
        assert await ids(database) == rows
        assert await streams_client.xlen(STREAM) == 5
        done = await prune(database, streams_client)

        assert foretold.dry_run
        assert (foretold.published, foretold.discarded, foretold.inbox) == (5, 1, 5)
        assert (done.published, done.discarded, done.inbox) == (5, 1, 5)
        assert foretold.streams == done.streams == [Trimmed(STREAM, 5, 0, [])]

    async def test_says_what_it_can_without_redis(self, database: Database, away: Redis) -> None:
        await store(database, ended(Status.PUBLISHED, created=MONTH, at=MONTH))

        foretold = await foretell(database, away, older_than=NOTHING)

        assert (foretold.published, foretold.streams, foretold.inbox_kept) == (1, None, True)


class TestTask:
    async def test_uses_the_retention_of_the_settings(
        self, database: Database, streams_client: Redis, settings: Any
    ) -> None:
        from outbox.tasks import _prune

        settings.OUTBOX_RETENTION_DAYS = 5
        ages = [timedelta(days=4), timedelta(days=6)]
        rows = [ended(Status.PUBLISHED, created=one, at=one) for one in ages]
        await store(database, *rows)

        assert await _prune() == 1
        assert await ids(database) == {rows[0].id}

    def test_is_sent_once_a_day_to_the_queue_of_long_tasks(self) -> None:
        from django.conf import settings

        entry = settings.CELERY_BEAT_SCHEDULE["prune-outbox"]

        assert entry["task"] == "outbox.tasks.prune_outbox"
        assert entry["schedule"] == timedelta(days=1).total_seconds()
        assert _queue_of(entry) == "lab"


def _queue_of(entry: dict[str, Any]) -> str:
    """Where Celery sends it, options and routes together."""
    from qulab.celery import app

    return str(app.amqp.router.route(dict(entry["options"]), entry["task"])["queue"].name)
