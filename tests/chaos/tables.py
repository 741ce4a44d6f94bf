"""The harness has tables of its own beside the product's: what writers serialise on, and what consumers did."""

from sqlalchemy import Column, Integer, MetaData, String, Table

from qulab.db.engine import WRITES, Database

EVENT_TYPE = "ChaosHappened"
GROUP = "chaos"
STREAMS = 4  # types of aggregates, and with them streams

metadata = MetaData()  # not the product's: its migrations must not miss these tables

# `last`: the number of the latest event of the aggregate. Who writes for it locks the row.
aggregates = Table(
    "chaos_aggregates",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last", Integer, nullable=False, default=0),
)
# Without a key over the event: a doubled effect must be visible.
effects = Table(
    "chaos_effects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("event_id", String(36), nullable=False),
)


def type_of(aggregate: int) -> str:
    return f"Chaos{aggregate % STREAMS}"


async def make_tables(database: Database, count: int) -> None:
    engine = database.engine.execution_options(**{WRITES: True})
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.execute(aggregates.insert(), [{"id": number, "last": 0} for number in range(count)])


def stream_types() -> list[str]:
    """Of aggregates; each has its stream."""
    return [type_of(number) for number in range(STREAMS)]
