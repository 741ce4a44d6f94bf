"""Section 5 as its templates get it: frozen values, of what is stored now and of what a run has measured."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from django.conf import settings

from outbox import activity, selectors
from outbox.models import InboxEntry, Status
from outbox.repositories import InboxRepository
from outbox.selectors import EventSnapshot, InboxSnapshot
from qulab.cache import heartbeat
from qulab.cache.client import get_streams
from qulab.cache.store import AWAY
from qulab.db.session import Session
from qulab.lab import charts
from qulab.lab.demonstrations.outbox import LIMITS, SPEED, STORE
from qulab.lab.experiments.outbox import OutboxResult, Round
from qulab.lab.runs import SavedRun

ROWS = 12  # of each table


async def outbox_tables(session: Session) -> dict[str, Any]:
    """Pending and published events, and the inbox beside them."""
    return {
        "state": await selectors.outbox_state(session),
        "pending": await selectors.events_by_status(session, Status.PENDING, ROWS),
        "published": await selectors.events_by_status(session, Status.PUBLISHED, ROWS),
        "inbox": await selectors.inbox_entries(session, ROWS),
        "interval": settings.RELAY_INTERVAL,
    }


async def activity_view() -> dict[str, Any]:
    """What the relay did of late, and whether one is heard; the log is None without Redis."""
    streams = get_streams()
    try:
        heard = (await heartbeat.ages(streams))["worker-relay"] is not None
        return {"activity": await activity.recent(streams, ROWS), "relay_is_heard": heard}
    except AWAY:
        return {"activity": None, "relay_is_heard": False}


def outbox_result(run: SavedRun | None) -> dict[str, Any]:
    if run is None:
        return {}
    if run.kind == SPEED.name:
        return {"speed": _speed(run.result), "chart": _latencies(run.result)}
    return {"bars": charts.waterfall(run.result.statements)} if run.kind == STORE.name else {}


class Call(msgspec.Struct, frozen=True):
    """What a drain sent, of one kind: to the database or to Redis, and how often."""

    to: str
    count: int
    text: str
    short: str


class SpeedView(msgspec.Struct, frozen=True):
    result: OutboxResult
    calls: list[Call]
    last: Round
    rate: int
    timed: int


def _speed(result: OutboxResult) -> SpeedView:
    last = result.rounds[-1]
    calls = [Call("SQL", one.count, one.sql, charts.abbreviated(one.sql)) for one in last.groups]
    calls += [
        Call("Redis", count, name, name) for name, count in sorted(last.commands.items(), key=lambda one: -one[1])
    ]
    timed = sum(len(one.latencies) for one in result.rounds)
    return SpeedView(result, calls, last, LIMITS.rate, timed)


def _latencies(result: OutboxResult) -> charts.LineChart | None:
    latencies = [one for round_ in result.rounds for one in round_.latencies]
    return charts.latencies(latencies) if latencies else None


def _entered(stream_id: str | None) -> datetime | None:
    """When Redis added the entry: its id begins with the Unix time in milliseconds."""
    return datetime.fromtimestamp(int(stream_id.partition("-")[0]) / 1000, UTC) if stream_id else None


async def lifecycle(session: Session, event: EventSnapshot) -> dict[str, Any]:
    """The payload to read, how long the event waited, and when the consumer noted it."""
    handled = await InboxRepository(session).list(
        InboxEntry.event_id == event.id, order_by=[InboxEntry.processed_at], limit=ROWS
    )
    waited = (event.published_at - event.created_at).total_seconds() if event.published_at else None
    return {
        "payload": msgspec.json.format(msgspec.json.encode(event.payload), indent=2).decode(),
        "waited": waited,
        "entered": _entered(event.stream_id),
        "handled": [InboxSnapshot(e.consumer_group, e.event_id, e.event_type, e.processed_at) for e in handled],
        "stream": f"events:{event.aggregate_type}",
    }
