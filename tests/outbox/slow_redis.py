"""The relay's process of the benches, with a Redis that takes a tenth of a second for each answer."""

import asyncio
from typing import Any

from qulab.lab.experiments.processes import relay

DELAY = 0.1  # seconds


class Worker(relay.Worker):
    async def open(self) -> None:
        await super().open()
        answer = self.streams.execute_command

        async def slowly(*command: Any, **options: Any) -> Any:
            await asyncio.sleep(DELAY)
            return await answer(*command, **options)

        self.streams.execute_command = slowly  # type: ignore[method-assign]
