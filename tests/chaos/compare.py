"""Table, stream and effects are compared as sets and as sequences. No servers here: what was read is the argument."""

from collections import Counter, defaultdict

import msgspec

from outbox.models import Status
from tests.chaos.notes import Written

SHOWN = 20  # ids of each finding


class Row(msgspec.Struct, frozen=True):
    """An event in the table."""

    id: str
    type: str
    aggregate: str
    seq: int
    status: str
    stream_id: str | None
    attempts: int


class Entry(msgspec.Struct, frozen=True):
    """An event in its stream. `entry_id` is Redis' own; `id` that of the event."""

    entry_id: str
    id: str
    type: str
    aggregate: str
    number: int


class Evidence(msgspec.Struct):
    """All that a run left behind. Entries are in the order of their streams.

    `transactions`: what each was about to write. `stored`: ids whose COMMIT was acknowledged, or that were found in the
    table later. `dead`: ids of dead letters, and `past_dead` of events published although one came before them in
    their aggregate, both before the poison was discarded. `overtaken`: passes that came too late.
    """

    transactions: list[list[Written]]
    stored: set[str]
    rows: list[Row]
    entries: list[Entry]
    effects: Counter[str]
    inbox: set[str]
    dead: set[str]
    past_dead: set[str]
    overtaken: int = 0


class Finding(msgspec.Struct, frozen=True):
    """How many there are, and the first of them."""

    count: int
    first: list[str]


def compare(evidence: Evidence, *, rows_are_locked: bool, has_consumers: bool = True) -> dict[str, Finding]:
    """What is wrong, by name; every count is 0 after a clean run. Raises AssertionError where the harness itself is."""
    events = {event.id: event for events in evidence.transactions for event in events}
    _check_harness(events, evidence.rows)
    found = _of_the_table(events, evidence) | _of_the_streams(events, evidence)
    found |= _of_the_effects(evidence) if has_consumers else {}
    findings = {name: Finding(len(ids), sorted(ids)[:SHOWN]) for name, ids in found.items()}
    # With one writer and no row locks, being late is part of normal work: the compare-and-set sees to it.
    findings["overtaken"] = Finding(evidence.overtaken if rows_are_locked else 0, [])
    return findings


def _check_harness(events: dict[str, Written], rows: list[Row]) -> None:
    unknown = [row.id for row in rows if row.id not in events]
    assert not unknown, f"the harness itself is wrong: nobody noted that {unknown[0]} would be written"
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.seq):
        numbers[row.type, row.aggregate].append(events[row.id].number)
    for aggregate, found in numbers.items():
        assert found == list(range(1, len(found) + 1)), f"the harness itself is wrong: writers of {aggregate} raced"


def _of_the_table(events: dict[str, Written], evidence: Evidence) -> dict[str, set[str]]:
    present = {row.id for row in evidence.rows}
    poison = {id_ for id_, event in events.items() if event.poison}
    return {
        "acknowledged_lost": evidence.stored - present,
        "torn_transactions": {
            transaction[0].id
            for transaction in evidence.transactions
            if len({event.id in present for event in transaction}) > 1
        },
        "still_pending": {row.id for row in evidence.rows if row.status == Status.PENDING},
        "dead_letters": (evidence.dead | {row.id for row in evidence.rows if row.status == Status.DEAD}) - poison,
        "past_dead_letters": evidence.past_dead,
        "attempts_spent": {row.id for row in evidence.rows if row.attempts and row.id not in poison},
    }


def _of_the_streams(events: dict[str, Written], evidence: Evidence) -> dict[str, set[str]]:
    times = Counter(entry.id for entry in evidence.entries)
    published = [row for row in evidence.rows if row.status == Status.PUBLISHED]
    rows = {row.id: row for row in evidence.rows}
    pairs = {(entry.id, entry.entry_id) for entry in evidence.entries}
    return {
        "lost": {row.id for row in published if row.id not in times},
        "doubled": {id_ for id_, number in times.items() if number > 1},
        "inverted": _inverted(evidence.entries),
        "phantom": {entry.id for entry in evidence.entries if not _is_of(entry, rows, events)},
        "wrong_stream_ids": {row.id for row in published if row.id in times and (row.id, row.stream_id) not in pairs},
    }


def _inverted(entries: list[Entry]) -> set[str]:
    """Aggregates whose events entered the stream in another order than they were committed in."""
    order: dict[str, dict[str, int]] = defaultdict(dict)
    for entry in entries:
        order[f"{entry.type}/{entry.aggregate}"].setdefault(entry.id, entry.number)  # of two, the first
    return {name for name, numbers in order.items() if list(numbers.values()) != sorted(numbers.values())}


def _is_of(entry: Entry, rows: dict[str, Row], events: dict[str, Written]) -> bool:
    """Whether an entry tells of an event in the table, and tells the same."""
    row = rows.get(entry.id)
    return row is not None and (row.type, row.aggregate, events[row.id].number) == (
        entry.type,
        entry.aggregate,
        entry.number,
    )


def _of_the_effects(evidence: Evidence) -> dict[str, set[str]]:
    published = {row.id for row in evidence.rows if row.status == Status.PUBLISHED}
    effects = set(evidence.effects)
    return {
        "effects_missing": published - effects,
        "effects_doubled": {id_ for id_, number in evidence.effects.items() if number > 1},
        "effects_phantom": effects - published,
        "inbox_differs": effects ^ evidence.inbox,
    }
