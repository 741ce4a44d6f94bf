"""The parts of `bench outbox`, small: what they count, compare and leave out. Times are no tests."""

import asyncio
import time
from typing import Any

import msgspec
import pytest
from django.conf import settings as django_settings
from sqlalchemy import func, select

from outbox.models import DomainEvent, Status
from outbox.positions import partition_of
from qulab.db.probe import Statement
from qulab.lab.experiments import (
    Bench,
    outbox_apart,
    outbox_contenders,
    outbox_counts,
    outbox_drains,
    outbox_idle,
    outbox_locks,
    outbox_producers,
)
from qulab.lab.experiments.outbox_contenders import LOOP, PEERS, Contender
from qulab.lab.experiments.outbox_drains import Entrant
from qulab.lab.experiments.outbox_fill import fill, fill_aggregate
from qulab.lab.experiments.outbox_place import Place
from qulab.lab.experiments.outbox_setting import payload_of
from qulab.lab.experiments.peers import Disagreement
from qulab.lab.experiments.processes.children import children
from qulab.lab.experiments.processes.relay import held
from qulab.lab.measure import commands_here, count_commands
from tests.bench.conftest import SMALL_OUTBOX
from tests.peers import payloads


class TestCounts:
    async def test_a_pass_takes_four_statements_and_one_command_and_a_drain_a_few_more(self, place: Place) -> None:
        counts = await outbox_counts.measure(place)

        (one,) = counts.rounds
        assert one.published == one.written == 60
        assert one.pass_statements == [4] * one.batches
        assert one.pass_commands == [1] * one.batches
        assert sum(one.pass_statements) < one.statements == sum(group.count for group in one.groups)
        assert sum(one.pass_commands) < sum(one.commands.values())

    async def test_wal_is_told_for_writing_and_for_draining_where_there_is_some(self, place: Place) -> None:
        counts = await outbox_counts.measure(place)

        if place.bench.database.dialect == "sqlite":
            assert (counts.write_wal, counts.drain_wal) == (None, None)
        else:
            assert counts.write_wal is not None
            assert counts.drain_wal is not None
            assert counts.write_wal.low > 200  # the payload alone
            assert counts.drain_wal.low > 100

    async def test_commands_are_counted_for_who_sends_them(self, redis_url: str, bench: Bench) -> None:
        client = bench.redis()
        count_commands(client)

        async def send(times: int) -> int:
            with commands_here() as sent:
                for _ in range(times):
                    await client.get("a")
                return sent["GET"]

        assert await asyncio.gather(send(3), send(5)) == [3, 5]


class TestDrains:
    async def test_each_drains_all_and_the_relay_keeps_every_promise(self, place: Place) -> None:
        drains = await outbox_drains.measure(place)

        keys = [(one.name, one.processes) for one in drains.contenders]
        on_postgresql = place.bench.database.dialect == "postgresql"
        by_hand = [("by hand", 1), ("by hand", 2)] if on_postgresql else []
        assert keys == [("relay", 1), ("relay", 2), *by_hand]
        for one in drains.contenders:
            assert (one.rate.n, one.doubled, one.lost) == (1, 0, 0)
        assert [one.inverted for one in drains.contenders[:2]] == [0, 0]
        assert all(one.ratio is not None for one in drains.contenders if one.name != "relay" and one.processes == 1)

    @pytest.mark.parametrize("peer", PEERS, ids=lambda one: one.name)
    async def test_a_peer_drains_all(self, place: Place, peer: Contender, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only where it is installed: the product's tests do not need it. On PostgreSQL, which it is compared on."""
        if place.bench.database.dialect != "postgresql" or peer.missing:
            pytest.skip(f"{peer.name} is compared on PostgreSQL, with tests/peers/requirements.txt")
        monkeypatch.setattr("qulab.lab.experiments.outbox_contenders.PEERS", (peer,))
        asked = msgspec.structs.replace(place, parameters=msgspec.structs.replace(SMALL_OUTBOX, peers=True, relays=1))

        drains = await outbox_drains.measure(asked)

        assert (drains.of(peer.name, 1).lost, drains.of(peer.name, 2).lost) == (0, 0)
        assert drains.of(peer.name, 1).doubled == 0

    async def test_what_is_twice_missing_or_out_of_order_in_a_stream_is_told(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """200 aggregates: 0 and 200 are events of one, 1 and 201 of another."""

        class Careless:
            async def ask(self, method: str, **_given: Any) -> Any:
                for number in (200, 0, 1, 1, 2):
                    payload = msgspec.json.encode(payload_of(number))
                    await place.raw.xadd(outbox_contenders.PEER_STREAM, {"body": payload})
                return {"moved": 202, "ended_at": time.monotonic()}

        async with place.scratch() as setting:
            careless: Any = Careless()
            told = await outbox_drains._drain(place, setting, Entrant(LOOP, [careless]), 202)

        assert (told.doubled, told.lost, told.inverted) == (1, 202 - 4, 1)

    async def test_who_leaves_events_behind_is_not_compared(self, place: Place) -> None:
        class Lazy:
            async def ask(self, method: str, **_given: Any) -> Any:
                return {"moved": 2, "ended_at": time.monotonic()}

        async with place.scratch() as setting:
            lazy: Any = Lazy()
            with pytest.raises(Disagreement, match="by hand left 1 of 3 events behind"):
                await outbox_drains._drain(place, setting, Entrant(LOOP, [lazy]), 3)

    async def test_filled_events_are_as_record_event_makes_them(self, place: Place) -> None:
        async with place.scratch() as setting:
            await fill(setting.database, setting.bulk, 3)
            await fill_aggregate(setting.database, setting.bulk, "other", 2)
            async with setting.database.reading() as session:
                events = list(await session.scalars(select(DomainEvent).order_by(DomainEvent.seq)))

        assert [event.aggregate_id for event in events] == ["0", "1", "2", "other", "other"]
        assert [event.payload["number"] for event in events] == [0, 1, 2, 0, 1]
        for event in events:
            assert (event.status, event.attempts, event.headers) == (Status.PENDING, 0, {})
            count = django_settings.OUTBOX_PARTITIONS
            assert event.partition == partition_of(setting.bulk, event.aggregate_id, count)

    def test_peers_get_the_same_payloads(self) -> None:
        assert payloads.payload_of(7) == payload_of(7)


class TestLatency:
    async def test_every_event_is_read_in_each_way(self, place: Place) -> None:
        told = await outbox_apart.measure(place)

        assert [one.way for one in told.ways] == ["woken", "woken, in ticks", "not woken"]
        for one in told.ways:
            assert (one.missing, [len(readings) for readings in one.readings]) == (0, [5])
            assert 0 < one.p50.median <= one.p95.median <= one.p99.median

    async def test_only_the_ways_that_wake_send_hints(self, place: Place) -> None:
        sent = []
        async with place.scratch() as setting:
            for way in outbox_apart.WAYS:
                with commands_here() as here:
                    await outbox_apart._send(setting, way, 2)
                sent.append(here["LPUSH"])

        assert sent == [2, 2, 0]


class TestProducers:
    async def test_writes_with_and_without_events(self, place: Place) -> None:
        told = await outbox_producers.measure(place)

        assert (told.tasks, told.locked, told.cost.n) == (2, 0, 1)
        assert min(told.without.low, told.with_event.low) > 0

    async def test_only_the_load_with_events_leaves_some(self, place: Place) -> None:
        counted: dict[bool, int] = {}
        async with (
            place.scratch() as setting,
            children([await place.kind("producer", "producer", setting)], place.folder) as (member,),
        ):
            given = {"tasks": 1, "seconds": 0.1, "aggregate_type": setting.bulk}
            for events in (False, True):
                told = await member.ask("produce", events=events, **given)
                async with setting.database.reading() as session:
                    counted[events] = int(await session.scalar(select(func.count(DomainEvent.id))) or 0)

        assert counted == {False: 0, True: told["commits"]}


class TestIdle:
    async def test_fills_what_it_says_and_publishes_only_the_other(self, place: Place) -> None:
        told = await outbox_idle.measure(place)

        assert (told.published, told.waiting) == (30, 5)
        assert (told.empty.n, told.nothing_due.n, told.another.n) == (1, 1, 1)

    async def test_what_waits_and_the_other_are_in_one_partition(self, place: Place) -> None:
        async with place.scratch() as setting:
            await outbox_idle._fill_blocked(setting, 5)
            await setting.relay.drain()
            await outbox_idle._tick_with_another(setting)
            async with setting.database.reading() as session:
                rows = (await session.execute(select(DomainEvent.partition, DomainEvent.status))).all()

        assert len({partition for partition, _ in rows}) == 1
        assert sorted(status for _, status in rows) == ["dead", *["pending"] * 5, "published"]

    async def test_a_pass_that_did_something_else_is_no_measurement(self, place: Place) -> None:
        async with place.scratch() as setting:
            with pytest.raises(Disagreement, match="published 0 events where 1 were due"):
                await outbox_idle._tick(setting, expected=1)


class TestLocks:
    async def test_holds_are_told_on_sqlite(self, place: Place) -> None:
        if place.bench.database.dialect != "sqlite":
            pytest.skip("PostgreSQL locks rows, and writers do not wait for the relay")

        told = await outbox_locks.measure(place)

        (load,) = told.loads
        assert (told.writers, told.locked) == (2, 0)
        assert load.commits > 0
        assert load.moved > 0
        assert len(load.holds) > 0
        assert 0 < told.p50.low <= told.p99.low <= told.longest.low

    def test_a_hold_is_from_the_lock_to_the_end_of_the_commit(self) -> None:
        sent = [
            Statement("SELECT 1", 0, 1),
            Statement("BEGIN IMMEDIATE", 2, 5, failed=True),
            Statement("BEGIN IMMEDIATE", 10, 1),
            Statement("UPDATE", 12, 1),
            Statement("COMMIT", 14, 3),
            Statement("COMMIT", 20, 1),  # of a session that only read
        ]

        assert held(sent) == [6]
