"""Many events at once in `domain_events`, with what `record_event` would have put into each row."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from sqlalchemy import Table

from outbox.models import DomainEvent
from outbox.positions import partition_of
from qulab.db.bulk import insert_columns, refresh_statistics
from qulab.db.engine import Database
from qulab.lab.experiments.outbox_setting import AGGREGATES, payload_of

EVENTS: Table = DomainEvent.metadata.tables[DomainEvent.__tablename__]
PART = 20_000  # rows that are in memory at once


async def fill(database: Database, aggregate_type: str, events: int, **columns: Any) -> None:
    """Pending events over the usual aggregates; `columns` are values that all rows have in place of the default."""
    parts = (range(first, min(first + PART, events)) for first in range(0, events, PART))
    await _insert(database, (_columns(aggregate_type, part, columns) for part in parts))
    async with database.writing() as session:
        await refresh_statistics(session, EVENTS)
        await session.commit()


async def fill_aggregate(
    database: Database, aggregate_type: str, aggregate_id: str, events: int, **columns: Any
) -> None:
    """Events of one aggregate, behind all that are there."""
    part = _columns(aggregate_type, range(events), columns)
    partition = partition_of(aggregate_type, aggregate_id, settings.OUTBOX_PARTITIONS)
    await _insert(database, [{**part, "aggregate_id": [aggregate_id] * events, "partition": [partition] * events}])


async def _insert(database: Database, parts: Iterable[Mapping[str, Any]]) -> None:
    async with database.writing() as session:
        for part in parts:  # one by one: SQLite would have all of them in memory
            await insert_columns(session, EVENTS, [part])
        await session.commit()


def _columns(aggregate_type: str, part: range, same: Mapping[str, Any]) -> Mapping[str, Any]:
    ids = [str(number % AGGREGATES) for number in part]
    partitions = {id_: partition_of(aggregate_type, id_, settings.OUTBOX_PARTITIONS) for id_ in set(ids)}
    return {
        "event_type": ["BenchEventWritten"] * len(part),
        "aggregate_type": [aggregate_type] * len(part),
        "aggregate_id": ids,
        "payload": [payload_of(number) for number in part],
        "partition": [partitions[id_] for id_ in ids],
        **{name: [value] * len(part) for name, value in same.items()},
    }
