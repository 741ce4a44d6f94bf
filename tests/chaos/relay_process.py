"""A relay is the product's own; it can be told to die or stop where that hurts most, and to lack a protection."""

import asyncio
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from outbox.marks import Kind, Marks, Message, Reply
from outbox.positions import Mark, PartitionRepository, Position
from outbox.relay import Relay
from qulab.cache.client import get_streams
from qulab.db.engine import get_database
from tests.chaos.mutations import MUTATIONS
from tests.chaos.orders import Moment, Orders


def main(arguments: list[str]) -> None:
    parser = ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--orders", type=Path, required=True)
    parser.add_argument("--overtaken", type=Path, required=True)
    for mutation in MUTATIONS:
        parser.add_argument(f"--{mutation}", action="append_const", dest="mutations", const=mutation, default=[])
    options = parser.parse_args(arguments)
    for mutation in options.mutations:
        MUTATIONS[mutation]()
    obey_in_passes(options.name, Orders(options.orders))
    note_overtaken_passes(options.overtaken)
    asyncio.run(relay())


async def relay() -> None:
    await Relay(get_database(), get_streams()).run()


def obey_in_passes(name: str, orders: Orders) -> None:
    publish, recover = Marks.publish, Marks.recover
    at_work = orders.at_work(name)

    async def obedient_publish(
        self: Marks, epoch: str, partition: int, expected: Mark, messages: Sequence[Message]
    ) -> Reply:
        if messages:
            orders.obey(name, Moment.BEFORE_CALL)
        reply = await publish(self, epoch, partition, expected, messages)
        if reply.kind is Kind.PUBLISHED:
            orders.obey(name, Moment.AFTER_CALL)
            at_work()
        return reply

    async def obedient_recover(self: Marks, epoch: str, partition: int, seen: Mark, target: Mark) -> bool:
        began = await recover(self, epoch, partition, seen, target)
        if began:
            orders.obey(name, Moment.AFTER_RECOVER)
        return began

    Marks.publish = obedient_publish  # type: ignore[method-assign]
    Marks.recover = obedient_recover  # type: ignore[method-assign]


def note_overtaken_passes(file: Path) -> None:
    """One byte for each, at once: the tally of a relay that is killed is lost."""
    move = PartitionRepository.move

    async def noted_move(self: PartitionRepository, position: Position, to: Mark, **counted: int) -> bool:
        moved = await move(self, position, to, **counted)
        if not moved:
            with file.open("ab") as notes:
                notes.write(b".")
        return moved

    PartitionRepository.move = noted_move  # type: ignore[method-assign]
