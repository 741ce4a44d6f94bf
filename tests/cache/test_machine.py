"""Reads, writes, rollbacks and slow loads in every order that Hypothesis thinks of, in two processes' caches at once.

I1: no fill overwrites a later invalidation. I2: a read that starts after `invalidate()` returned sees nothing older.
I5: a rollback invalidates nothing.
"""

import asyncio
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis.asyncio import Redis

from qulab.cache.client import create_redis
from qulab.cache.read_through import Cache
from qulab.db.engine import Database, create_database
from tests.cache.source import SPEC, Thing

KEYS = ("a", "b")
ROUND_TRIPS = 12  # turns of the loop with Redis, after which whatever can go on has gone on


class Read:
    """A read under way, and the version that it must not fall below: the last one invalidated before it began."""

    def __init__(self, task: "asyncio.Task[Thing | None]", at_least: int) -> None:
        self.task = task
        self.at_least = at_least


class Load:
    """A load that has read its version, and answers when it is let go."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.gate = asyncio.Event()


class CacheMachine(RuleBasedStateMachine):
    """`version`: what is committed; `invalidated`: the version of the last invalidation that returned."""

    url: str
    database_url: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.reads: list[Read] = []
        self.loads: list[Load] = []
        self.version = dict.fromkeys(KEYS, 1)
        self.invalidated = dict.fromkeys(KEYS, 1)
        self.do(self._open())

    def do(self, work: Any) -> Any:
        return self.runner.run(work)

    async def _open(self) -> None:
        self.caches = [Cache(create_redis(self.url, timeout=5.0)) for _ in range(2)]
        self.redis: Redis = create_redis(self.url, timeout=5.0)
        self.database: Database = create_database(self.database_url)
        await self.redis.flushdb()

    async def _settle(self) -> None:
        """Let everything go on until it waits for a load."""
        for _ in range(ROUND_TRIPS):
            await self.redis.ping()

    @rule(key=st.sampled_from(KEYS), process=st.integers(0, 1))
    def start_a_read(self, key: str, process: int) -> None:
        async def load() -> Thing | None:
            mine = Load(self.version[key])
            self.loads.append(mine)
            await mine.gate.wait()
            return Thing(mine.version)

        async def start() -> None:
            task = asyncio.create_task(self.caches[process].get(SPEC, key, load))
            self.reads.append(Read(task, self.invalidated[key]))
            await self._settle()

        self.do(start())

    @precondition(lambda self: self.loads)
    @rule(which=st.integers(0, 7))
    def let_a_load_go_on(self, which: int) -> None:
        async def go() -> None:
            self.loads.pop(which % len(self.loads)).gate.set()
            await self._settle()

        self.do(go())

    @rule(key=st.sampled_from(KEYS), process=st.integers(0, 1))
    def write_and_invalidate(self, key: str, process: int) -> None:
        async def write() -> None:
            self.version[key] += 1
            await self.caches[process].invalidate(SPEC.key(key))
            self.invalidated[key] = self.version[key]

        self.do(write())

    @rule(key=st.sampled_from(KEYS))
    def write_and_let_others_in_before_the_invalidation(self, key: str) -> None:
        """Committed and not yet invalidated: what is read meanwhile may be old or new."""
        self.version[key] += 1

    @rule(key=st.sampled_from(KEYS), began=st.booleans())
    def write_and_roll_back(self, key: str, began: bool) -> None:
        async def roll_back() -> None:
            before = await self.redis.get(SPEC.key(key)), await self.redis.exists(f"{SPEC.key(key)}:lease")

            async def forget() -> None:
                await self.caches[0].invalidate(SPEC.key(key))

            async with self.database.writing() as session:
                if began:
                    await session.connection()
                session.on_commit(forget)
                await session.rollback()
                await session.commit()
            after = await self.redis.get(SPEC.key(key)), await self.redis.exists(f"{SPEC.key(key)}:lease")
            assert after == before

        self.do(roll_back())

    @precondition(lambda self: self.reads)
    @rule(which=st.integers(0, 7))
    def cancel_a_read(self, which: int) -> None:
        async def cancel() -> None:
            self.reads.pop(which % len(self.reads)).task.cancel()
            await self._settle()

        self.do(cancel())

    @invariant()
    def no_read_has_seen_what_was_invalidated_before_it_began(self) -> None:
        for read in [read for read in self.reads if read.task.done()]:
            self.reads.remove(read)
            value = read.task.result()
            assert value is not None
            assert value.version >= read.at_least

    @invariant()
    def no_entry_is_older_than_the_last_invalidation(self) -> None:
        for key in KEYS:
            entry = self.do(self.redis.get(SPEC.key(key)))
            value = None if entry is None else SPEC.decode(entry)
            assert value is None or value.version >= self.invalidated[key]

    def teardown(self) -> None:
        async def close() -> None:
            for read in self.reads:
                read.task.cancel()
            await asyncio.gather(*(read.task for read in self.reads), return_exceptions=True)
            for cache in self.caches:
                await cache.close()
            await self.redis.aclose()
            await self.database.close()

        self.do(close())
        self.runner.close()


def test_the_invariants_hold_in_whatever_order_things_happen(redis_url: str, tmp_path: Path) -> None:
    CacheMachine.url = f"{redis_url.removesuffix('/0')}/1"
    CacheMachine.database_url = f"sqlite+aiosqlite:///{tmp_path / 'machine.db'}"

    run_state_machine_as_test(
        CacheMachine,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,  # the same orders each time: a flaky check is a broken one
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
        ),
    )
