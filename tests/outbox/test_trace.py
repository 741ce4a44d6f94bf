import logging
import re
from typing import Any

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis
from sqlalchemy import select, update

from outbox import consumer as consumers
from outbox.consumer import Consumer
from outbox.envelope import Envelope
from outbox.events import record_event
from outbox.models import DomainEvent
from outbox.relay import Relay
from qulab import trace
from qulab.db.engine import Database
from qulab.db.session import Session
from qulab.trace import Trace
from tests.outbox.helpers import published, write_events

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
INCOMING = f"00-{TRACE_ID}-00f067aa0ba902b7-01"  # the standard's own example

INVALID = [
    "",
    "nonsense",
    f"00-{TRACE_ID}-00f067aa0ba902b7",
    f"00-{TRACE_ID}-00f067aa0ba902b7-1",
    f"00-{TRACE_ID}-00f067aa0ba902b7-01-more",  # version 00 has four parts
    f"00-{TRACE_ID}-00f067aa0ba902b7-01\n",
    f" 00-{TRACE_ID}-00f067aa0ba902b7-01",
    f"00-{TRACE_ID.upper()}-00f067aa0ba902b7-01",
    f"ff-{TRACE_ID}-00f067aa0ba902b7-01",
    f"0x-{TRACE_ID}-00f067aa0ba902b7-01",
    f"00-{'0' * 32}-00f067aa0ba902b7-01",
    f"00-{TRACE_ID}-{'0' * 16}-01",
    f"00-{TRACE_ID}-00f067aa0ba902b7-0g",
    f"{INCOMING},{INCOMING}",  # sent twice
    f"00-{'٤' * 32}-00f067aa0ba902b7-01",
]


async def headers(database: Database) -> list[str]:
    """The traceparent of each event, in the order in which they were written."""
    async with database.reading() as session:
        found = await session.scalars(select(DomainEvent.headers).order_by(DomainEvent.seq))
        return [one["traceparent"] for one in found]


async def create_user(client: AsyncClient, name: str, **headers: str) -> None:
    answer = await client.post("/lab/1/users", {"email": f"{name}@example.com", "name": name}, headers=headers)
    assert answer.status_code == 302, answer.content.decode()


class TestHeader:
    def test_keeps_trace_id_and_sampled_flag(self) -> None:
        assert trace.parse(INCOMING) == Trace(TRACE_ID, sampled=True)
        assert trace.parse(f"00-{TRACE_ID}-00f067aa0ba902b7-00") == Trace(TRACE_ID, sampled=False)

    def test_drops_flags_that_it_does_not_know(self) -> None:
        parsed = trace.parse(f"00-{TRACE_ID}-00f067aa0ba902b7-ff")

        assert parsed is not None
        assert parsed.traceparent().endswith("-01")

    @pytest.mark.parametrize("text", [f"cc-{TRACE_ID}-00f067aa0ba902b7-01", f"cc-{TRACE_ID}-00f067aa0ba902b7-01-what"])
    def test_of_a_later_version_is_read_as_far_as_it_is_known(self, text: str) -> None:
        assert trace.parse(text) == Trace(TRACE_ID, sampled=True)

    @pytest.mark.parametrize("text", [*INVALID, None, 7])
    def test_that_is_not_valid_counts_as_none(self, text: object) -> None:
        assert trace.parse(text) is None

    def test_that_we_send_is_valid_and_each_has_a_span_of_its_own(self) -> None:
        begun = trace.begin()

        sent = {begun.traceparent() for _ in range(100)}

        assert len(sent) == 100
        assert {trace.parse(one) for one in sent} == {begun}


class TestRequest:
    async def test_hands_its_trace_to_the_events_it_causes(
        self, database: Database, streams_client: Redis, async_client: AsyncClient
    ) -> None:
        await create_user(async_client, "one", traceparent=INCOMING)

        (written,) = await headers(database)
        assert trace.parse(written) == trace.parse(INCOMING)
        assert written != INCOMING

    async def test_without_a_header_begins_a_trace_of_its_own(
        self, database: Database, streams_client: Redis, async_client: AsyncClient
    ) -> None:
        await create_user(async_client, "one", traceparent=INCOMING)
        await create_user(async_client, "two")
        await create_user(async_client, "three")

        first, second, third = (trace.parse(one) for one in await headers(database))
        assert None not in (first, second, third)
        assert len({first, second, third}) == 3

    @pytest.mark.parametrize("text", ["nonsense", f"ff-{TRACE_ID}-00f067aa0ba902b7-01"])
    async def test_ignores_a_header_that_is_not_valid(
        self, database: Database, streams_client: Redis, async_client: AsyncClient, text: str
    ) -> None:
        await create_user(async_client, "one", traceparent=text)

        (written,) = await headers(database)
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", written)
        assert TRACE_ID not in written


class TestEvent:
    async def test_shares_its_trace_with_what_is_written_in_the_same_unit_of_work(self, database: Database) -> None:
        await write_events(database, 2)
        await write_events(database, 1)

        first, second, third = await headers(database)
        assert trace.parse(first) == trace.parse(second) != trace.parse(third)
        assert first != second

    async def test_carries_it_onto_the_stream(self, database: Database, streams_client: Redis) -> None:
        await write_events(database, 1)
        await Relay(database, streams_client).drain()

        (envelope,) = await published(streams_client)
        assert [envelope.traceparent] == await headers(database)

    async def test_is_shown_with_it(self, database: Database, streams_client: Redis, async_client: AsyncClient) -> None:
        with trace.within(INCOMING):
            await write_events(database, 1)
        async with database.reading() as session:
            event_id = await session.scalar(select(DomainEvent.id))

        page = (await async_client.get(f"/admin/events/{event_id}")).content.decode()

        assert re.search(rf"trace_id</code></th><td>.*{TRACE_ID}", page)

    async def test_that_was_written_without_has_none(self, database: Database) -> None:
        assert DomainEvent(headers={}).trace_id is None
        assert DomainEvent().trace_id is None


class TestRelay:
    async def test_names_it_where_an_event_cannot_be_sent(
        self, database: Database, streams_client: Redis, caplog: Any
    ) -> None:
        with trace.within(INCOMING):
            await write_events(database, 1)
        async with database.writing() as session:
            await session.execute(update(DomainEvent).values(payload={"text": "\ud800"}))
            await session.commit()

        with caplog.at_level(logging.WARNING, logger="outbox.relay"):
            await Relay(database, streams_client).drain()

        assert f", trace {TRACE_ID}: " in caplog.text

    async def test_names_it_where_a_stream_refuses_an_event(
        self, database: Database, streams_client: Redis, caplog: Any
    ) -> None:
        await streams_client.set("events:Order", "no stream")
        with trace.within(INCOMING):
            await write_events(database, 1)

        with caplog.at_level(logging.WARNING, logger="outbox.relay"):
            await Relay(database, streams_client).drain()

        assert f", trace {TRACE_ID}: the key events:Order holds a string" in caplog.text


class TestConsumer:
    async def test_continues_the_trace_in_what_its_handlers_write(
        self, database: Database, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def effect(session: Session, envelope: Envelope) -> None:
            record_event(session, event_type="Noted", aggregate_type="Note", aggregate_id="1", payload={})

        monkeypatch.setitem(consumers._transactional, "OrderChanged", [effect])
        with trace.within(INCOMING):
            await write_events(database, 1)
        await write_events(database, 1)
        await Relay(database, streams_client).drain()

        assert await Consumer(database, streams_client, "readers", name="one").step() == 2

        first, second, noted_first, noted_second = (trace.parse(one) for one in await headers(database))
        assert noted_first == first == trace.parse(INCOMING)
        assert noted_second == second != first
        assert trace.current() is None

    async def test_names_it_where_a_handler_fails(
        self, database: Database, streams_client: Redis, monkeypatch: pytest.MonkeyPatch, caplog: Any
    ) -> None:
        async def fails(_envelope: Envelope) -> None:
            raise RuntimeError("never")

        monkeypatch.setitem(consumers._handlers, "OrderChanged", [fails])
        with trace.within(INCOMING):
            await write_events(database, 1)
        await Relay(database, streams_client).drain()

        with caplog.at_level(logging.ERROR, logger="outbox.consumer"):
            await Consumer(database, streams_client, "readers", name="one").step()

        assert f"(OrderChanged, trace {TRACE_ID}) failed 1 times" in caplog.text
