import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, insert, select, update
from sqlalchemy.event import listen

from outbox import activity
from outbox.backlog import RelayRepository
from outbox.batch import encode_all
from outbox.events import record_event
from outbox.marks import Kind, Marks
from outbox.models import DomainEvent, OutboxPartition, Status
from outbox.partitions import PartitionCountChanged, prepare_partitions
from outbox.positions import Mark, PartitionRepository
from outbox.relay import Relay
from outbox.repositories import DomainEventRepository
from outbox.selectors import events_by_status, outbox_state
from outbox.services import pause, resume
from outbox.tally import Tally
from outbox.verdict import Ending
from outbox.wake import hints
from qulab.cache import keys
from qulab.cache.client import create_redis
from qulab.db.base import utcnow
from qulab.db.engine import Database
from qulab.db.session import Session
from tests.outbox.helpers import Died, by_aggregate, die, published, write_events


async def statuses(database: Database) -> list[str]:
    async with database.reading() as session:
        return list(await session.scalars(select(DomainEvent.status).order_by(DomainEvent.seq)))


class TestDrain:
    async def test_publishes_each_event_once_in_the_order_of_its_aggregate(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        await write_events(database, 30)

        tally = await relay.drain()

        assert tally.published == 30
        assert by_aggregate(await published(streams_client)) == {str(n): list(range(10)) for n in range(3)}
        assert set(await statuses(database)) == {"published"}

    async def test_an_empty_outbox_is_left_alone(self, relay: Relay, streams_client: Redis) -> None:
        assert (await relay.drain()).is_empty
        assert await streams_client.keys("*") == []

    async def test_stores_which_entry_an_event_became(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        await write_events(database, 1)

        await relay.drain()

        async with database.reading() as session:
            (event,) = await events_by_status(session, Status.PUBLISHED)
        entries = await streams_client.xrange("events:Order")
        assert [entry_id for entry_id, _ in entries] == [event.stream_id]
        assert event.published_at is not None
        assert event.batch == 1

    async def test_two_relays_at_once_publish_each_event_once(self, database: Database, streams_client: Redis) -> None:
        await write_events(database, 200, aggregates=20)

        await asyncio.gather(*(Relay(database, streams_client, name=str(n)).drain() for n in range(2)))
        await Relay(database, streams_client).drain()

        envelopes = await published(streams_client)
        assert len(envelopes) == 200
        assert by_aggregate(envelopes) == {str(n): list(range(10)) for n in range(20)}

    async def test_takes_at_most_four_statements_and_one_call_of_redis_for_a_batch(
        self, database: Database, relay: Relay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without the looks before and after: what one pass costs, for one event and for 500."""
        from sqlalchemy import event

        calls: list[str] = []
        publish = Marks.publish

        async def counted(self, *args):  # type: ignore[no-untyped-def]
            calls.append("redis")
            return await publish(self, *args)

        monkeypatch.setattr(Marks, "publish", counted)

        def count(conn, cursor, statement, *_):  # type: ignore[no-untyped-def]
            if not statement.startswith(("BEGIN", "COMMIT")):
                calls.append(statement)

        for size in (1, 500):
            await write_events(database, size, aggregates=1)
            async with database.reading() as session:
                (partition,) = await session.scalars(
                    select(DomainEvent.partition).where(DomainEvent.status == "pending").distinct()
                )
            calls.clear()
            event.listen(database.engine.sync_engine, "before_cursor_execute", count)
            await relay._pass(partition, Tally(), even_if_empty=False)
            event.remove(database.engine.sync_engine, "before_cursor_execute", count)

            assert calls.count("redis") == 1
            assert len(calls) - 1 <= 4, calls

    async def test_notes_what_it_did_in_the_log(self, database: Database, relay: Relay, streams_client: Redis) -> None:
        await write_events(database, 5)

        await relay.drain()
        await relay.drain()

        (line,) = await activity.recent(streams_client)
        assert (line.relay, line.published) == ("test", 5)


class TestMark:
    async def test_a_batch_of_a_relay_that_died_before_its_commit_is_only_marked(
        self, database: Database, relay: Relay, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await write_events(database, 9)

        with monkeypatch.context() as patch:
            patch.setattr(Relay, "_settle", die)
            with pytest.raises(Died):
                await relay.drain()
        assert set(await statuses(database)) == {"pending"}
        there = len(await published(streams_client))
        assert there > 0

        tally = await relay.drain()

        assert tally.repeated == there
        assert by_aggregate(await published(streams_client)) == {str(n): [0, 1, 2] for n in range(3)}

    async def test_an_emptied_redis_gets_all_events_again(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        await write_events(database, 30)
        await relay.drain()
        await streams_client.flushdb()

        tally = await relay.drain()

        assert tally.recovered == 30
        assert by_aggregate(await published(streams_client)) == {str(n): list(range(10)) for n in range(3)}

    async def test_a_redis_that_came_back_with_older_data_gets_what_it_lost(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        await write_events(database, 12)
        await relay.drain()
        before = {key: await streams_client.dump(key) for key in await streams_client.keys("*")}
        await write_events(database, 12)
        await relay.drain()
        await streams_client.flushdb()
        for key, value in before.items():
            await streams_client.restore(key, 0, value)

        await relay.drain()

        envelopes = await published(streams_client)
        assert len({envelope.id for envelope in envelopes}) == len(envelopes) == 24
        assert by_aggregate(envelopes) == {str(n): [0, 1, 2, 3] * 2 for n in range(3)}

    async def test_a_database_older_than_redis_is_reported_and_its_partitions_stand_still(
        self, database: Database, relay: Relay, streams_client: Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        await write_events(database, 3)
        await relay.drain()
        await write_events(database, 3)
        await relay.drain()
        async with database.writing() as session:
            await session.execute(update(OutboxPartition).values(batch=0))
            await session.execute(
                update(DomainEvent).values(status="pending", published_at=None, stream_id=None, batch=None)
            )
            await session.commit()

        tally = await relay.drain()

        assert tally.is_empty
        assert "the database is older than Redis" in caplog.text
        assert len(await published(streams_client)) == 6

    async def test_marks_of_another_database_are_not_taken_for_ones_own(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        for partition in range(8):
            await streams_client.set(keys.mark("another-epoch", partition), 99)
        await write_events(database, 3)

        assert (await relay.drain()).published == 3

    async def test_a_key_that_is_no_stream_is_refused_and_other_streams_flow(
        self, database: Database, streams_client: Redis
    ) -> None:
        now = utcnow()
        relay = Relay(database, streams_client, clock=lambda: now)
        await streams_client.set("events:Bad", "not a stream")
        await write_events(database, 8, aggregates=8, aggregate_type="Bad")
        await write_events(database, 8, aggregates=8)

        await relay.drain()

        assert len(await published(streams_client)) == 8
        async with database.reading() as session:
            waiting = await events_by_status(session, Status.PENDING)
        assert {event.last_error for event in waiting} == {"the key events:Bad holds a string, and no stream"}
        await streams_client.delete("events:Bad")
        now += timedelta(hours=1)
        assert (await relay.drain()).published == 8

    async def test_without_memory_redis_takes_nothing_and_no_event_loses_an_attempt(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        await write_events(database, 3)
        await relay.drain()
        await write_events(database, 3)
        used = (await streams_client.info("memory"))["used_memory"]
        await streams_client.config_set("maxmemory", used // 2)
        try:
            assert (await relay.drain()).is_empty
        finally:
            await streams_client.config_set("maxmemory", 0)

        assert len(await published(streams_client)) == 3
        async with database.reading() as session:
            assert {event.attempts for event in await events_by_status(session, Status.PENDING)} == {0}
        assert (await Relay(database, streams_client).drain()).published == 3

    async def test_a_relay_that_slept_through_a_recovery_adds_nothing(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        """The batch number comes round again after a recovery; the generation does not."""
        for _ in range(3):
            await write_events(database, 1, aggregates=1)
            await relay.drain()
        await write_events(database, 1, aggregates=1)
        (position,) = [p for p in await relay._positions() if p.has_pending]
        async with database.reading() as session:
            rows = await RelayRepository(session).due(position.partition, now=utcnow(), limit=10)
        stale, _ = encode_all(rows)
        await streams_client.flushdb()
        await relay.drain()  # recovers
        for _ in range(3):  # until the batch number is the one that the sleeper read
            await write_events(database, 1, aggregates=1)
            await relay.drain()
        before = len(await published(streams_client))

        marks = Marks(streams_client, stream_maxlen=1000)
        replies = [await marks.publish(position.epoch, position.partition, Mark(0, batch), stale) for batch in range(8)]

        assert {reply.kind for reply in replies} == {Kind.OTHER}
        assert len(await published(streams_client)) == before

    async def test_a_recovery_that_died_half_way_is_finished(
        self, database: Database, relay: Relay, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await write_events(database, 9)
        await relay.drain()
        await streams_client.flushdb()

        with monkeypatch.context() as patch:
            patch.setattr(Relay, "_settle", die)
            with pytest.raises(Died):
                await relay.drain()

        assert (await relay.drain()).recovered == 9
        assert by_aggregate(await published(streams_client)) == {str(n): [0, 1, 2] for n in range(3)}

    async def test_a_second_loss_after_a_recovery_is_recovered_too(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        for _ in range(2):
            await write_events(database, 9)
            await relay.drain()
            await streams_client.flushdb()
            await relay.drain()

        assert len(await published(streams_client)) == 18
        assert (await relay.drain()).is_empty


class TestFailure:
    async def write_poison(self, database: Database, aggregate_id: str) -> None:
        async with database.writing() as session:
            for payload in ({"number": float("inf")}, {"number": 1}):
                record_event(
                    session, event_type="E", aggregate_type="Order", aggregate_id=aggregate_id, payload=payload
                )
                await session.flush()
            await session.commit()

    @pytest.fixture
    def no_json(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Events of aggregate "bad" whose number is 0 cannot be encoded."""
        from outbox import batch

        encode = batch._encode

        def refusing(row):  # type: ignore[no-untyped-def]
            if row.aggregate_id == "bad" and json.loads(row.payload)["number"] == 0:
                raise ValueError("this payload has no JSON")
            return encode(row)

        monkeypatch.setattr(batch, "_encode", refusing)

    async def write(self, database: Database, aggregate_id: str, count: int) -> None:
        async with database.writing() as session:
            for number in range(count):
                record_event(
                    session,
                    event_type="E",
                    aggregate_type="Order",
                    aggregate_id=aggregate_id,
                    payload={"number": number},
                )
                await session.flush()
            await session.commit()

    @pytest.mark.usefixtures("no_json")
    async def test_a_bad_event_ends_as_a_dead_letter_and_blocks_only_its_aggregate(
        self, database: Database, streams_client: Redis, settings: object
    ) -> None:
        settings.OUTBOX_MAX_ATTEMPTS = 3  # type: ignore[attr-defined]
        now = utcnow()
        relay = Relay(database, streams_client, clock=lambda: now)
        await self.write(database, "bad", 3)
        await self.write(database, "good", 3)

        for _ in range(3):
            await relay.drain()
            now += timedelta(hours=1)

        assert by_aggregate(await published(streams_client)) == {"good": [0, 1, 2]}
        async with database.reading() as session:
            (dead,) = await events_by_status(session, Status.DEAD)
            waiting = await events_by_status(session, Status.PENDING)
        assert (dead.attempts, dead.last_error) == (3, "ValueError: this payload has no JSON")
        assert [event.aggregate_id for event in waiting] == ["bad", "bad"]

    @pytest.mark.usefixtures("no_json")
    async def test_what_follows_an_event_in_backoff_waits_for_it(
        self, database: Database, streams_client: Redis
    ) -> None:
        relay = Relay(database, streams_client)
        await self.write(database, "bad", 2)
        await relay.drain()
        await self.write(database, "bad", 1)

        await relay.drain()

        assert await published(streams_client) == []

    async def test_without_redis_no_event_loses_an_attempt(self, database: Database) -> None:
        nowhere = create_redis("redis://127.0.0.1:1/0", timeout=0.5)
        await write_events(database, 3)

        tally = await Relay(database, nowhere).drain()

        assert tally.is_empty
        async with database.reading() as session:
            events = await events_by_status(session, Status.PENDING)
        assert [event.attempts for event in events] == [0, 0, 0]
        await nowhere.aclose()


class TestPause:
    async def test_stops_publishing_until_it_is_resumed(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        async with database.writing() as session:
            await pause(session)
        await write_events(database, 3)

        assert (await relay.drain()).is_empty
        async with database.reading() as session:
            state = await outbox_state(session)
        assert (state.paused, state.pending) == (True, 3)
        assert state.lag_seconds is not None

        async with database.writing() as session:
            await resume(session)
        assert (await relay.drain()).published == 3

    async def test_holds_for_a_pass_that_was_planned_before_it(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        """The flag is read with the row that the pass takes, not only when the drain looks for work."""
        await write_events(database, 1)
        (planned,) = [position.partition for position in await relay._positions() if position.has_pending]
        async with database.writing() as session:
            await pause(session)

        assert await relay._pass(planned, Tally(), even_if_empty=False) is Ending.NOTHING
        assert await published(streams_client) == []

    async def test_a_rolled_back_pause_changes_nothing(self, database: Database, relay: Relay) -> None:
        from outbox.positions import PartitionRepository

        async with database.writing() as session:
            await PartitionRepository(session).set_paused(True)
        await write_events(database, 1)

        assert (await relay.drain()).published == 1


class TestWakeUp:
    async def test_a_commit_wakes_a_waiting_relay_at_once(
        self, database: Database, relay: Relay, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The relay would look by itself only after ten seconds; the deadline here is five."""
        monkeypatch.setattr("outbox.relay.LONGEST_WAIT", 4.0)
        running = asyncio.create_task(relay.run())
        await asyncio.sleep(0.05)

        async with asyncio.timeout(2):
            await write_events(database, 1)
            while not await streams_client.exists("events:Order"):
                await asyncio.sleep(0.005)

        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    async def test_hints_of_a_rolled_back_transaction_are_not_sent(
        self, database: Database, streams_client: Redis
    ) -> None:
        async with database.writing() as session:
            record_event(session, event_type="E", aggregate_type="Order", aggregate_id="1", payload={})
            await session.flush()
            await session.rollback()
        await hints.get().sent()

        assert await streams_client.llen(keys.WAKE) == 0


class TestPartitions:
    async def test_a_changed_count_is_refused_while_events_are_pending(
        self, database: Database, relay: Relay, settings: object
    ) -> None:
        await write_events(database, 1)
        settings.OUTBOX_PARTITIONS = 16  # type: ignore[attr-defined]

        with pytest.raises(PartitionCountChanged, match=r"16.*8 partitions"):
            await prepare_partitions(database)

    async def test_a_larger_count_is_taken_when_nothing_is_pending(
        self, database: Database, streams_client: Redis, settings: Any
    ) -> None:
        await write_events(database, 8, aggregates=8)
        await Relay(database, streams_client).drain()
        settings.OUTBOX_PARTITIONS = 32
        await Relay(database, streams_client).drain()
        await write_events(database, 8, aggregates=8)

        tally = await Relay(database, streams_client).drain()

        assert tally.published == 8
        assert (await Relay(database, streams_client).drain()).is_empty

    async def test_a_smaller_count_is_taken_and_events_of_writers_that_are_behind_are_adopted(
        self, database: Database, streams_client: Redis, settings: Any
    ) -> None:
        await Relay(database, streams_client).drain()
        settings.OUTBOX_PARTITIONS = 2
        await Relay(database, streams_client).drain()
        settings.OUTBOX_PARTITIONS = 32
        await write_events(database, 16, aggregates=16)
        settings.OUTBOX_PARTITIONS = 2

        assert (await Relay(database, streams_client).drain()).published == 16

    @pytest.fixture(autouse=True)
    async def eight_again(self, database: Database) -> AsyncIterator[None]:
        yield
        async with database.writing() as session:
            await PartitionRepository(session).resize(8)
            await session.commit()


class TestOutage:
    async def test_a_database_that_is_away_is_named_and_waited_out(
        self,
        database: Database,
        streams_client: Redis,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        relay = Relay(database, streams_client)
        await write_events(database, 3)

        async def refuse(*_: object) -> None:
            raise ConnectionRefusedError("no PostgreSQL there")

        with monkeypatch.context() as patch:
            patch.setattr(Relay, "_positions", refuse)
            assert (await relay.run(seconds=0.01)).is_empty

        assert "the database does not answer (no PostgreSQL there)" in caplog.text
        assert (await relay.drain()).published == 3


class TestRepository:
    async def test_lists_the_oldest_pending_events_first_and_marks_them_in_one_statement(
        self, database: Database
    ) -> None:
        await write_events(database, 5, aggregates=1)
        async with database.writing() as session:
            repository = DomainEventRepository(session)
            oldest = await repository.get_pending_events(limit=2)
            assert [event.payload["number"] for event in oldest] == [0, 1]

            assert await repository.mark_as_published([event.id for event in oldest]) == 2
            assert await repository.mark_as_published([event.id for event in oldest]) == 0
            await session.commit()

        assert await statuses(database) == ["published"] * 2 + ["pending"] * 3

    async def test_seq_goes_on_after_the_newest_rows_were_deleted(self, database: Database) -> None:
        """A rowid of SQLite would start again, and a later event would come before an earlier one."""

        async def newest() -> int:
            async with database.reading() as session:
                return (await session.scalars(select(DomainEvent.seq).order_by(DomainEvent.seq.desc()))).first() or 0

        await write_events(database, 3)
        before = await newest()
        async with database.writing() as session:
            await DomainEventRepository(session).delete(DomainEvent.seq == before)
            await session.commit()
        await write_events(database, 1)

        assert await newest() > before


class TestCounters:
    async def test_tell_over_all_time_what_relays_did(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        await write_events(database, 9)
        await relay.drain()
        await streams_client.flushdb()
        await relay.drain()

        assert await totals(database) == {"published": 18, "repeated": 0, "recovered": 9, "failed": 0}

    async def test_are_not_moved_by_a_relay_that_came_too_late(
        self, database: Database, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On SQLite two relays may hold the same batch, and one settles it; on PostgreSQL the row lock forbids it."""
        await write_events(database, 3, aggregates=1)
        slow, quick = Relay(database, streams_client, name="slow"), Relay(database, streams_client, name="quick")
        offer = slow._offer

        async def late(*args: Any) -> Any:
            await quick.drain()
            return await offer(*args)

        monkeypatch.setattr(slow, "_offer", late)
        tally = await slow.drain()

        assert tally.overtaken == (1 if database.dialect == "sqlite" else 0)
        assert await totals(database) == {"published": 3, "repeated": 0, "recovered": 0, "failed": 0}


class TestBounds:
    async def test_an_event_that_is_too_large_fails_alone_and_says_what_to_do(
        self, database: Database, relay: Relay, streams_client: Redis, settings: Any
    ) -> None:
        settings.OUTBOX_EVENT_BYTES = 2000
        await write(database, "large", {"text": "x" * 2000})
        await write(database, "small", {"text": "x" * 200})

        tally = await relay.drain()

        assert (tally.published, tally.failed) == (1, 1)
        async with database.reading() as session:
            (waiting,) = await events_by_status(session, Status.PENDING)
        assert waiting.last_error is not None
        assert "QULAB_OUTBOX_EVENT_BYTES allows 2000: put what is large elsewhere" in waiting.last_error

    async def test_a_batch_ends_before_it_is_too_large_for_one_call(
        self, database: Database, relay: Relay, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("outbox.batch.MOST_BYTES", 5000)
        for number in range(10):
            await write(database, "one", {"number": number, "text": "x" * 1000})

        tally = await relay.drain()

        assert (tally.published, tally.passes) == (10, 4)
        assert by_aggregate(await published(streams_client)) == {"one": list(range(10))}

    async def test_text_that_is_no_unicode_is_a_bad_event_and_no_outage(
        self, database: Database, relay: Relay, streams_client: Redis
    ) -> None:
        """Both databases store half a surrogate pair in JSON; no consumer could read it."""
        await write(database, "bad", {"text": "\ud800"})
        await write(database, "good", {"number": 1})

        tally = await relay.drain()

        assert (tally.published, tally.failed) == (1, 1)


class TestPlan:
    async def test_a_pass_reads_pending_rows_and_blockers_through_their_partial_indexes(
        self, database: Database, dialect: str
    ) -> None:
        """With published rows by the thousand, the plan touches no index that holds them."""
        statements: list[tuple[str, Any]] = []
        listen(database.engine.sync_engine, "before_cursor_execute", lambda *a: statements.append((a[2], a[3])))
        async with database.writing() as session:
            await fill_with_published_rows(session, 5000)
            await session.commit()
            await RelayRepository(session).due(3, now=utcnow(), limit=500)
            await PartitionRepository(session).positions()
        plans = await explained(database, statements[-2:])

        assert "ix_events_due" in plans[0], plans[0]
        assert "ix_events_blocking" in plans[0]
        assert "ix_events_due" in plans[1]
        for plan in plans:
            assert "Seq Scan on domain_events" not in plan
            assert not re.search(r"ix_events_(batch|status_created)|ix_domain_events|SCAN domain_events", plan), plan


async def write(database: Database, aggregate_id: str, payload: dict[str, Any]) -> None:
    async with database.writing() as session:
        record_event(session, event_type="E", aggregate_type="Order", aggregate_id=aggregate_id, payload=payload)
        await session.commit()


async def explained(database: Database, statements: list[tuple[str, Any]]) -> list[str]:
    """How the database would run these statements, as the relay sent them."""
    async with database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        if database.dialect == "sqlite":
            return [
                str(await driver.execute_fetchall(f"EXPLAIN QUERY PLAN {sql}", values)) for sql, values in statements
            ]
        await driver.execute("ANALYZE domain_events")
        plans = [await driver.fetch(f"EXPLAIN {sql}", *values) for sql, values in statements]
        return ["\n".join(row[0] for row in plan) for plan in plans]


async def fill_with_published_rows(session: Session, count: int) -> None:
    now = utcnow()
    common = {"event_type": "E", "aggregate_type": "Order", "payload": {}, "status": "published", "published_at": now}
    rows = [{**common, "aggregate_id": str(n % 50), "partition": n % 8, "batch": n // 500} for n in range(count)]
    await session.execute(insert(DomainEvent), rows)


async def totals(database: Database) -> dict[str, int]:
    names = ("published", "repeated", "recovered", "failed")
    async with database.reading() as session:
        row = (await session.execute(select(*(func.sum(getattr(OutboxPartition, name)) for name in names)))).one()
    return dict(zip(names, map(int, row), strict=True))
