"""A consumer is the product's own, with one effect for each event in the transaction of its inbox."""

import asyncio
from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings

from outbox.consumer import Consumer, handles_in_transaction
from outbox.envelope import Envelope
from outbox.repositories import InboxRepository
from qulab.cache.client import create_redis
from qulab.db.engine import get_database
from qulab.db.session import Session
from tests.chaos.orders import Orders
from tests.chaos.tables import EVENT_TYPE, GROUP, effects

TAKE_OVER_AFTER = 2000  # milliseconds; the product's own 15 s would be most of a short run


def main(arguments: list[str]) -> None:
    parser = ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--orders", type=Path, required=True)
    parser.add_argument("--without-inbox", action="store_true")
    options = parser.parse_args(arguments)
    if options.without_inbox:
        forget_the_inbox()
    asyncio.run(consume(options.name, Orders(options.orders)))


async def consume(name: str, orders: Orders) -> None:
    at_work = orders.at_work(name)

    @handles_in_transaction(EVENT_TYPE)
    async def note_effect(session: Session, envelope: Envelope) -> None:
        await session.execute(effects.insert().values(event_id=envelope.id))
        at_work()

    redis = create_redis(settings.REDIS_STREAMS_URL, timeout=5.0, text=True)  # as in `manage.py consume`
    await Consumer(get_database(), redis, GROUP, take_over_after=TAKE_OVER_AFTER).run()


def forget_the_inbox() -> None:
    """Every delivery has its effect. A check of effects that passes with this proves nothing."""
    enter = InboxRepository.enter

    async def enter_always(self: InboxRepository, consumer_group: str, event_id: str, event_type: str) -> bool:
        await enter(self, consumer_group, event_id, event_type)
        return True

    InboxRepository.enter = enter_always  # type: ignore[method-assign]
