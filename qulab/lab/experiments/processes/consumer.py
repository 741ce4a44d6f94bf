"""A consumer in a process of its own reads a stream, and notes the moment at which it had each entry in hand."""

import time
from typing import Any

import msgspec

from qulab.lab.experiments.processes.member import Answer, Member

READ_BLOCK = 200  # milliseconds


class Worker(Member):
    async def open(self) -> None:
        await super().open()
        self._last = "0"

    async def consume(self, *, stream: str, count: int) -> Answer:
        """Read on until there were `count` entries, or until stopped: event id → monotonic seconds."""
        read: dict[str, float] = {}
        while len(read) < count and not self.stopped.is_set():
            answer: Any = await self.streams.xread({stream: self._last}, block=READ_BLOCK)
            now = time.monotonic()
            for _name, entries in answer or []:
                for entry_id, fields in entries:
                    read[msgspec.json.decode(fields["event"])["id"]] = now
                    self._last = entry_id
        return {"read": read}
