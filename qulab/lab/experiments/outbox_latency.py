"""Latency is what a consumer sees: from the answer to the COMMIT to the moment when it has read the event's entry.

Producer, relay and consumer share one event loop here: what they cost each other is in the figures.
"""

import asyncio
import time
from typing import Any

import msgspec

from qulab.cache import keys
from qulab.db.loop import raise_if_cancelled
from qulab.lab.experiments.beside import beside
from qulab.lab.experiments.outbox_setting import Setting, record

GRACE = 2.0  # seconds to wait for an event that has not come
READ_BLOCK = 200  # milliseconds
LATENCY = "from COMMIT to consumer"  # series of the samples


async def time_events(setting: Setting) -> tuple[int, list[float]]:
    """Commit one event after the other while a relay runs and a consumer reads; how many, and their milliseconds."""
    committed: dict[str, float] = {}
    read: dict[str, float] = {}
    async with beside(setting.relay.run()), beside(_read(setting, committed, read)):
        await _send(setting, committed)
        gives_up_at = time.monotonic() + GRACE
        while not committed.keys() <= read.keys() and time.monotonic() < gives_up_at:  # noqa: ASYNC110 - a deadline
            await asyncio.sleep(0.01)
    await setting.relay.drain()  # it was stopped, perhaps after publishing a batch and before marking it
    return len(committed), [1000 * (read[id_] - at) for id_, at in committed.items() if id_ in read]


async def _send(setting: Setting, committed: dict[str, float]) -> None:
    began = time.monotonic()
    for number in range(setting.parameters.timed):
        await asyncio.sleep(max(began + number / setting.parameters.rate - time.monotonic(), 0))
        if number and setting.time_is_up:
            return
        await _send_one(setting, number, committed)
        setting.step(1)


async def _send_one(setting: Setting, number: int, committed: dict[str, float]) -> None:
    async def note() -> None:
        committed[event.id] = time.perf_counter()

    async with setting.writing() as session:
        session.on_commit(note)  # the first hook: when the COMMIT has been answered, before the hint goes out
        event = record(session, setting.timed, number)
        await session.commit()


async def _read(setting: Setting, committed: dict[str, float], read: dict[str, float]) -> None:
    """Read the timed stream as a consumer does, and note when each event came. Without an end."""
    stream = keys.stream(setting.timed)
    while True:
        raise_if_cancelled()
        answer: Any = await setting.streams.xread({stream: setting.last_read}, block=READ_BLOCK)
        now = time.perf_counter()
        for _name, entries in answer or []:
            for entry_id, fields in entries:
                id_ = msgspec.json.decode(fields["event"])["id"]
                read[id_] = now
                setting.last_read = entry_id
                if id_ in committed:  # a consumer can be quicker than the answer to the COMMIT
                    setting.sample(LATENCY, len(read), 1000 * (now - committed[id_]))
