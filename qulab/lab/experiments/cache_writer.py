"""A writer that is killed is a process of its own: what it had in memory goes with it, as after a crash.

Run as a module. Each line of standard input is an Order; for each a fork writes until somebody kills it. It says its
process id, then every write when it was acknowledged; this process says when it is dead. The fork spares each writer
the seconds of importing.
"""

import asyncio
import itertools
import os
import sys
import traceback

import msgspec

from qulab.lab.scratch import Place, joined


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """`period` is in seconds; `ids` are the users, of which the first `users` are popular."""

    place: Place
    redis_url: str
    strategy: str
    pattern: str
    ids: list[str]
    users: int
    seed: int
    period: float


class Said(msgspec.Struct, frozen=True):
    """One line of standard output: a writer began, a write was acknowledged, or the writer is dead."""

    pid: int = 0
    id: str = ""
    version: int = 0
    is_dead: bool = False


def say(said: Said) -> None:
    os.write(1, msgspec.json.encode(said) + b"\n")  # at once, and in one piece


async def write_until_killed(order: Order) -> None:
    from qulab.cache.client import create_redis
    from qulab.lab.experiments import REDIS_TIMEOUT
    from qulab.lab.experiments.cache_patterns import PATTERNS, operations
    from qulab.lab.experiments.cache_rows import Rows
    from qulab.lab.experiments.cache_strategies import STRATEGIES

    async with joined(order.place, pool_size=2) as database:
        redis = create_redis(order.redis_url, timeout=REDIS_TIMEOUT)
        strategy = STRATEGIES[order.strategy](Rows(database), redis, period=order.period)
        pattern = PATTERNS[order.pattern]
        for turn in itertools.count(order.seed):
            for one in operations(pattern, order.ids, len(order.ids), users=order.users, seed=turn):
                if one.writes:
                    say(Said(id=one.id, version=await strategy.write(one.id, f"Name {turn}")))
                else:
                    await strategy.read(one.id)


def _carry_out(order: Order) -> None:
    """In the fork. It never returns: what its parent would do next is not its business."""
    try:
        say(Said(pid=os.getpid()))
        asyncio.run(write_until_killed(order))
    except BrokenPipeError:  # nobody is left to hear of it
        pass
    except BaseException:  # noqa: BLE001 - told, and then it is over
        traceback.print_exc()
    finally:
        os._exit(1)


def main() -> None:
    import django

    django.setup()
    import qulab.lab.experiments.cache_strategies  # noqa: F401 - before the fork, not in each

    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        pid = os.fork()
        if pid == 0:
            _carry_out(order)
        os.waitpid(pid, 0)
        say(Said(is_dead=True))


if __name__ == "__main__":
    main()
