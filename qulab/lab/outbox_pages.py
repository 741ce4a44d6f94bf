"""Section 5 as its templates get it: frozen values, of what is stored now and of what a run has measured."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from django.conf import settings
from django.utils.translation import gettext as _

from outbox import activity, selectors
from outbox.models import InboxEntry, Status
from outbox.repositories import InboxRepository
from outbox.selectors import EventSnapshot, InboxSnapshot, OutboxState
from qulab.cache import heartbeat
from qulab.cache.client import get_streams
from qulab.cache.store import AWAY
from qulab.db.session import Session
from qulab.lab import charts, ownership
from qulab.lab.crashes.seams import BEFORE
from qulab.lab.demonstrations.outbox import STORE
from qulab.lab.runs import SavedRun

ROWS = 7  # of each lane
LINES = 30  # of the relay's log


class Lane(msgspec.Struct, frozen=True):
    """What an event passes through. `count` stands beside the name where it is known."""

    name: str
    title: str
    text: str
    empty: str
    slips: list["Slip"]
    concept: str
    count: int | None = None


class Slip(msgspec.Struct, frozen=True):
    """One event in one lane. `key` is its own in all lanes; it came `after` the slip with that key."""

    key: str
    after: str
    event_id: str
    label: str
    number: int | None
    at: datetime
    note: str = ""
    error: str = ""


class Rows(msgspec.Struct, frozen=True):
    """What the lanes show."""

    committed: list[EventSnapshot]
    pending: list[EventSnapshot]
    published: list[EventSnapshot]
    handled: list[InboxSnapshot]


async def _all_rows(session: Session) -> Rows:
    return Rows(
        await selectors.latest_events(session, ROWS),
        await selectors.events_by_status(session, Status.PENDING, ROWS),
        await selectors.events_by_status(session, Status.PUBLISHED, ROWS),
        await selectors.inbox_entries(session, ROWS),
    )


async def _own_rows(session: Session) -> Rows:
    """Those about the lab's own users alone."""
    latest = await selectors.events_of(session, await ownership.subjects(session), ROWS)
    waiting = sorted((one for one in latest if one.status == Status.PENDING), key=lambda one: one.seq)
    handled = await selectors.handled(session, settings.QULAB_CONSUMER_GROUP, [one.id for one in latest], ROWS)
    published = [one for one in latest if one.status == Status.PUBLISHED]
    return Rows(latest[:ROWS], waiting[:ROWS], published[:ROWS], handled)


async def outbox_tables(session: Session, *, of_all: bool) -> dict[str, Any]:
    """The lanes: what was committed, what is pending, what is published, and the inbox beside them.

    `of_all`: also of people; the counts are of all events in any case.
    """
    state = await selectors.outbox_state(session)
    none = "" if of_all else _("None about the lab's own users.")
    rows = await (_all_rows(session) if of_all else _own_rows(session))
    lanes = [
        Lane(
            "transactions",
            _("Transaction"),
            _("a score and its event, one COMMIT"),
            none or _("Nothing was committed yet."),
            [_committed(event) for event in rows.committed],
            "app",
        ),
        Lane(
            "pending",
            _("Pending"),
            _("rows that wait for the relay"),
            none or _none_pending(state),
            [_pending(event) for event in rows.pending],
            "database",
            state.pending,
        ),
        Lane(
            "published",
            _("Published"),
            _("in the stream, and marked"),
            none or _("None published yet. Calculate a score with the publisher running."),
            [_published(event) for event in rows.published],
            "event",
            state.published,
        ),
        Lane(
            "inbox",
            _("Inbox"),
            _("what a consumer has handled"),
            none or _("Empty: no consumer has handled an event yet."),
            [_handled(entry) for entry in rows.handled],
            "database",
        ),
    ]
    return {"state": state, "lanes": lanes, "of_all": of_all}


def _none_pending(state: OutboxState) -> str:
    if state.paused:
        return _("None pending. The publisher is stopped: the next score will wait here.")
    return _("None pending: what was committed has been published. Stop the publisher to see events wait.")


def _committed(one: EventSnapshot) -> Slip:
    what = f"{one.aggregate_type} …{one.aggregate_id[-6:]}"
    return Slip(f"t-{one.id}", "", one.id, what, one.seq, one.created_at)


def _pending(one: EventSnapshot) -> Slip:
    error = one.last_error or ""
    return Slip(f"e-{one.id}", f"t-{one.id}", one.id, one.event_type, one.seq, one.created_at, error=error)


def _published(one: EventSnapshot) -> Slip:
    """In the place that it had while it was pending: to move from there to here is to be published."""
    at = one.published_at or one.created_at
    seconds = (at - one.created_at).total_seconds()
    waited = f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"
    note = _("after %(waited)s") % {"waited": waited}
    return Slip(f"e-{one.id}", f"t-{one.id}", one.id, one.event_type, one.seq, at, note)


def _handled(one: InboxSnapshot) -> Slip:
    key = f"i-{one.consumer_group}-{one.event_id}"
    return Slip(key, f"e-{one.event_id}", one.event_id, one.event_type, None, one.processed_at, one.consumer_group)


async def activity_view() -> dict[str, Any]:
    """What the relay did of late, and whether one is heard; the log is None without Redis."""
    streams = get_streams()
    try:
        heard = (await heartbeat.ages(streams))["worker-relay"] is not None
        return {"activity": await activity.recent(streams, LINES), "relay_is_heard": heard}
    except AWAY:
        return {"activity": None, "relay_is_heard": False}


def outbox_result(run: SavedRun | None) -> dict[str, Any]:
    if run is not None and run.kind in {STORE.name, BEFORE.name}:
        return {"bars": charts.waterfall(run.result.statements)}
    return {}


def _entered(stream_id: str | None) -> datetime | None:
    """When Redis added the entry: its id begins with the Unix time in milliseconds."""
    return datetime.fromtimestamp(int(stream_id.partition("-")[0]) / 1000, UTC) if stream_id else None


class Handled(msgspec.Struct, frozen=True):
    """A group's note of an event. `after` in seconds from its creation."""

    consumer_group: str
    processed_at: datetime
    after: float


def _seconds(event: EventSnapshot, moment: datetime) -> float:
    """From the creation of the event."""
    return (moment - event.created_at).total_seconds()


async def lifecycle(session: Session, event: EventSnapshot) -> dict[str, Any]:
    """The payload to read, and each step of the event with the seconds since it was created."""
    handled = await InboxRepository(session).list(
        InboxEntry.event_id == event.id, order_by=[InboxEntry.processed_at], limit=ROWS
    )
    entered = _entered(event.stream_id)
    return {
        "payload": msgspec.json.format(msgspec.json.encode(event.payload), indent=2).decode(),
        "waited": _seconds(event, event.published_at) if event.published_at else None,
        "entered": entered,
        "entered_after": _seconds(event, entered) if entered else None,
        "handled": [
            Handled(one.consumer_group, one.processed_at, _seconds(event, one.processed_at)) for one in handled
        ],
        "stream": f"events:{event.aggregate_type}",
    }
