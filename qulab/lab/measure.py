"""What a page reports is computed one way: medians with their range, quantiles, and commands as a client wrote them.

Commands of Redis are counted where a client writes them to its sockets; what a Lua script does inside Redis is no
command. Statements are counted by `qulab.db.probe`.
"""

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec
from redis.asyncio import Redis

_here: ContextVar[Counter[str] | None] = ContextVar("commands_here", default=None)


class Spread(msgspec.Struct, frozen=True):
    """A median with its range."""

    median: float
    low: float
    high: float
    n: int


def count_commands(client: Redis) -> Counter[str]:
    """Count what `client` sends from now on, by command, but for what opens a connection: that depends on luck.

    Connections that it has open already are not counted.
    """
    sent: Counter[str] = Counter()

    def count(command: str) -> None:
        sent[command] += 1
        if (here := _here.get()) is not None:
            here[command] += 1

    pool = client.connection_pool
    connection: Any = pool.connection_class

    class Counting(connection):  # type: ignore[misc]
        greets = False

        async def on_connect_check_health(self, *args: Any, **options: Any) -> None:
            self.greets = True
            await super().on_connect_check_health(*args, **options)
            self.greets = False

        async def send_command(self, *args: Any, **options: Any) -> None:
            if not self.greets:
                count(str(args[0]))
            await super().send_command(*args, **options)

        def pack_commands(self, commands: Any) -> Any:  # of a pipeline
            commands = list(commands)
            for command in commands:
                count(str(command[0]))
            return super().pack_commands(commands)

    pool.connection_class = Counting
    return sent


@contextmanager
def commands_here() -> Iterator[Counter[str]]:
    """Of the commands that are counted, those that this context sends, and tasks started in it."""
    here: Counter[str] = Counter()
    token = _here.set(here)
    try:
        yield here
    finally:
        _here.reset(token)


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values), len(values))


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile (0–1), interpolated between readings."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return statistics.quantiles(values, n=1000, method="inclusive")[min(max(round(q * 1000) - 1, 0), 998)]
