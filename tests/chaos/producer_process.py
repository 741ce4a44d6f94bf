"""A producer writes as fast as it may, and it may bit by bit, so that each fault finds events under way."""

import asyncio
import random
from argparse import ArgumentParser, Namespace
from pathlib import Path

from qulab.db.engine import get_database
from tests.chaos.notes import Notes
from tests.chaos.orders import Orders
from tests.chaos.writer import Writer

MOST_EVENTS = 8  # in one transaction
LOOK_EVERY = 0.01  # seconds


def main(arguments: list[str]) -> None:
    parser = ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--orders", type=Path, required=True)
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--of", type=int, required=True)
    parser.add_argument("--aggregates", type=int, required=True)
    options = parser.parse_args(arguments)
    asyncio.run(produce(options.name, Orders(options.orders), options))


async def produce(name: str, orders: Orders, options: Namespace) -> None:
    notes = Notes(options.notes)
    writer = Writer(get_database(), notes, count=options.aggregates)
    at_work = orders.at_work(name)
    await writer.resolve()
    while True:
        left = share(orders.allowed, options.number, options.of) - notes.stored
        if left <= 0:
            await asyncio.sleep(LOOK_EVERY)
            continue
        await writer.write(random.randint(1, min(MOST_EVENTS, left)))
        at_work()


def share(events: int, number: int, of: int) -> int:
    """How many of the events are the share of one producer: over all of them the shares add up."""
    return events * (number + 1) // of - events * number // of
