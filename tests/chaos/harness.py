"""Producers, relays and consumers run while faults hit them by a seeded schedule; then all that is left is compared.

Each fault comes while relays publish, and nothing is waited for without an end.
"""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from redis.asyncio import Redis

from outbox.models import DomainEvent
from outbox.services import discard
from qulab.cache import keys
from tests.chaos.compare import Evidence, compare
from tests.chaos.crew import Failed
from tests.chaos.evidence import gather
from tests.chaos.faults import Faults
from tests.chaos.plan import OF_COPIES, Fault, Kind, Plan, copies
from tests.chaos.report import Report
from tests.chaos.scene import Scene
from tests.chaos.servers import sqlite_version
from tests.chaos.tables import GROUP, stream_types

Tell = Callable[[int, int], None]  # (faults done, of)

SHARED = 0.9  # of the events; the rest is for what faults need to show themselves
REASON = "it was written by the chaos harness, to be refused"


async def run_chaos(plan: Plan, folder: Path, tell: Tell = lambda done, of: None) -> Report:
    """One run in an empty folder. Raises ServiceError where no server can be started."""
    began = time.monotonic()
    async with Scene(plan, folder) as scene:
        run = Run(scene, tell)
        stuck = await run.until_settled()
        seconds = time.monotonic() - began
        await scene.crew.end()
        evidence = await gather(
            scene.servers.database_url,
            scene.streams,
            scene.note_files,
            dead=run.dead,
            past_dead=run.past_dead,
            overtaken=scene.overtaken,
        )
        return await run.report(evidence, stuck=stuck, seconds=seconds)


class Run:
    """The schedule of one scene, from its first fault until nothing moves any more."""

    def __init__(self, scene: Scene, tell: Tell) -> None:
        self._scene = scene
        self._plan = scene.plan
        self._tell = tell
        self._faults = Faults(scene)
        self._done: Counter[str] = Counter()
        self._copies = copies(scene.plan.faults)
        self.dead: set[str] = set()
        self.past_dead: set[str] = set()

    async def until_settled(self) -> str | None:
        """None, or what the run waited for in vain."""
        try:
            await self._scene.crew.until_begun()
            for number, fault in enumerate(self._plan.faults):
                self._tell(number, len(self._plan.faults))
                await self._step(number, fault)
            await self._settle()
        except Failed as failed:
            return str(failed)
        self._tell(len(self._plan.faults), len(self._plan.faults))
        return None

    async def report(self, evidence: Evidence, *, stuck: str | None, seconds: float) -> Report:
        plan, scene = self._plan, self._scene
        on_postgresql = plan.database == "postgresql"
        database = await scene.observer.version() if on_postgresql else sqlite_version()
        repeated, recovered = await scene.observer.counted()
        poison = sum(event.poison for transaction in evidence.transactions for event in transaction)
        return Report(
            seed=plan.seed,
            database=plan.database,
            versions={"database": database, "redis": scene.servers.redis_version},
            relays=plan.relays,
            producers=plan.producers,
            consumers=plan.consumers,
            written=len(evidence.rows),
            poison=poison,
            entries=len(evidence.entries),
            kills=len(plan.faults),
            faults={kind: self._done[kind] for kind in Kind if self._done[kind]},
            violations=compare(evidence, rows_are_locked=on_postgresql, has_consumers=plan.consumers > 0),
            crashes=scene.crew.crashes,
            stuck=stuck,
            repeats_avoided=repeated,
            published_again=recovered,
            overtaken=evidence.overtaken,
            seconds=round(seconds, 1),
            events_per_second=round(len(evidence.rows) / seconds, 1),
        )

    async def _step(self, number: int, fault: Fault) -> None:
        for later in self._copies.get(number, []):
            self._scene.servers.copy_redis(str(later))
        share = self._plan.events * SHARED / len(self._plan.faults)
        self._scene.allow(int(share * (number + 1)))
        await self._until_written(int(share * (number + fault.at)))
        if fault.kind is Kind.REDIS_OLDER_WHEN_IDLE:
            await self._until_all_is_published()
        else:
            await self._faults.until_published()
        await self._faults.carry_out(fault, str(number) if fault.kind in OF_COPIES else None)
        self._done[fault.kind] += 1

    async def _until_written(self, events: int) -> None:
        async def written() -> bool:
            return self._scene.written >= events

        await self._scene.until("the producers to write", written, progress=self._written)

    async def _until_all_is_published(self) -> None:
        """All that may be: what comes after a dead letter in its aggregate waits for an operator."""
        self._scene.allow(self._plan.events)
        await self._until_written(self._plan.events)
        await self._scene.until("the relays to publish all", self._is_published, progress=self._scene.observer.pending)

    async def _settle(self) -> None:
        await self._until_all_is_published()
        while await self._discard_poison():  # what waited for it may have poison of its own
            await self._until_all_is_published()
        await self._scene.until("the relays to publish what waited for poison", self._is_empty)
        await self._scene.until("the streams to hold what the table says", self._are_filled, progress=self._entries)
        await self._scene.until("the consumers to handle all", self._is_handled, progress=self._scene.observer.handled)

    async def _discard_poison(self) -> bool:
        """Let the aggregates flow again, as an operator would. False: there is no dead poison."""
        dead = await self._scene.observer.dead_ids()
        self.dead |= dead
        self.past_dead |= await self._scene.observer.past_dead()
        poison = dead & self._scene.poison
        async with self._scene.database.writing() as session:
            await discard(session, DomainEvent.id.in_(poison), reason=REASON)
        return bool(poison)

    async def _written(self) -> int:
        return self._scene.written

    async def _is_empty(self) -> bool:
        return not await self._scene.observer.has_pending()

    async def _is_published(self) -> bool:
        dead = await self._scene.observer.dead()
        pending = await self._scene.observer.pending()
        return all(aggregate in dead and dead[aggregate][0] < first for aggregate, (first, _) in pending.items())

    async def _entries(self) -> int:
        return await self._scene.of_redis(_count_entries)

    async def _are_filled(self) -> bool:
        return await self._is_empty() and await self._entries() >= await self._scene.observer.published()

    async def _is_handled(self) -> bool:
        return not self._plan.consumers or await self._scene.of_redis(_are_read)


async def _count_entries(streams: Redis) -> int:
    return sum([await streams.xlen(keys.stream(type_)) for type_ in stream_types()])


async def _are_read(streams: Redis) -> bool:
    return all([await _is_read(streams, keys.stream(type_)) for type_ in stream_types()])


async def _is_read(streams: Redis, stream: str) -> bool:
    """Whether the group has read and acknowledged all entries of a stream."""
    if not await streams.exists(stream):
        return True
    groups = [group for group in await streams.xinfo_groups(stream) if group["name"] == GROUP]
    last = (await streams.xinfo_stream(stream))["last-generated-id"]
    return any(group["pending"] == 0 and group["last-delivered-id"] == last for group in groups)
