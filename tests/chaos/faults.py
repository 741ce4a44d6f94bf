"""Each fault is done completely: the next begins with servers that run, and only what it hit is still recovering."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from redis.asyncio import Redis

from qulab.cache import keys
from tests.chaos.orders import Moment
from tests.chaos.plan import Fault, Kind
from tests.chaos.scene import Scene
from tests.chaos.tables import stream_types, type_of

WAKE_SECONDS = 3.0  # within which a process that was just started does something; else it is killed before
SESSION_SECONDS = 0.4  # after which a sleeping client's transaction is told from one at work
SHORT = 0.02  # seconds
TRICKLE = 5  # events that are allowed while a fault waits for work


class Faults:
    """Carries faults out, one at a time."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._crew = scene.crew
        self._servers = scene.servers
        self._do: dict[Kind, Callable[[Fault], Awaitable[object]]] = {
            Kind.RELAY_KILLED: self._kill_relay,
            Kind.RELAY_DIES_BEFORE_COMMIT: self._let_relay_die_before_commit,
            Kind.RELAY_DIES_IN_RECOVERY: self._let_relay_die_in_recovery,
            Kind.RELAY_STOPPED: self._stop_relay,
            Kind.RELAY_OVERSLEEPS: self._let_relay_oversleep,
            Kind.CONSUMER_KILLED: self._kill_consumer,
            Kind.PRODUCER_KILLED: self._kill_producer,
            Kind.BACKEND_TERMINATED: self._terminate_backend,
            Kind.BACKEND_KILLED: self._kill_backend,
            Kind.POSTGRES_RESTARTED: self._restart_postgres,
            Kind.REDIS_KILLED: self._kill_redis,
            Kind.REDIS_HANGS: self._hang_redis,
            Kind.REDIS_OLDER: self._put_back_older_data,
            Kind.REDIS_OLDER_WHEN_IDLE: self._put_back_older_data,
            Kind.REDIS_FROM_OTHER_PAST: self._put_back_another_past,
            Kind.REDIS_EMPTIED: self._empty_redis,
            Kind.STREAM_DELETED: self._delete_stream,
            Kind.POISON: self._poison,
        }
        self._copy: str | None = None
        self._poisoned: set[tuple[str, str]] = set()  # aggregates that stand still until an operator comes

    async def carry_out(self, fault: Fault, copy: str | None) -> None:
        """`copy`: the one of Redis' data that was taken for this fault."""
        self._copy = copy
        await self._do[fault.kind](fault)

    async def trickle(self) -> None:
        """Where there is nothing to publish, a little more: what a fault waits for happens to events."""
        pending = await self._scene.observer.pending()
        if not pending.keys() - self._poisoned:
            self._scene.allow(self._scene.written + TRICKLE)

    async def until_published(self, before: list[tuple[int, int]] | None = None) -> None:
        """Until a relay has published something from now on, or since the partitions stood where they stood."""
        if before is None:
            before = await self._scene.observer.positions()

        async def moved() -> bool:
            return await self._scene.observer.positions() != before

        await self._scene.until("the relays to publish something", moved, meanwhile=self.trickle)

    # Processes

    async def _kill_relay(self, fault: Fault) -> None:
        await self._kill(fault.choose(self._scene.relays))

    async def _kill_consumer(self, fault: Fault) -> None:
        await self._kill(fault.choose(self._scene.consumers))

    async def _kill_producer(self, fault: Fault) -> None:
        await self._kill(fault.choose(self._scene.producers))

    async def _kill(self, name: str) -> None:
        """At a random moment, but not before this life of it has done something."""
        deadline = time.monotonic() + WAKE_SECONDS
        while not self._scene.orders.is_at_work(name, self._crew.pid(name)) and time.monotonic() < deadline:
            await self.trickle()
            await asyncio.sleep(SHORT)
        await asyncio.sleep(random.uniform(0, SHORT))
        self._crew.signal(name, signal.SIGKILL)

    async def _let_relay_die_before_commit(self, fault: Fault) -> None:
        await self._ordered(fault.choose(self._scene.relays), Moment.AFTER_CALL, signal.SIGKILL)

    async def _let_relay_die_in_recovery(self, fault: Fault) -> None:
        """Whichever begins a recovery dies in it; the next one goes on with it."""
        for name in self._scene.relays:
            self._scene.orders.give(name, Moment.AFTER_RECOVER, signal.SIGKILL)
        await self._put_back_older_data(fault)
        await self._scene.until("a relay to begin a recovery", self._has_recovered, meanwhile=self.trickle)
        for name in self._scene.relays:
            self._scene.orders.withdraw(name, Moment.AFTER_RECOVER)

    async def _has_recovered(self) -> bool:
        return not all(self._scene.orders.is_given(name, Moment.AFTER_RECOVER) for name in self._scene.relays)

    async def _stop_relay(self, fault: Fault) -> None:
        name = fault.choose(self._scene.relays)
        await self._asleep(name, self._crew.pid(name), fault.seconds)

    async def _let_relay_oversleep(self, fault: Fault) -> None:
        """It stops before or after the Lua call; others do its work; then it goes on as if nothing had happened."""
        name = fault.choose(self._scene.relays)
        moment = Moment.BEFORE_CALL if fault.first else Moment.AFTER_CALL
        pid = self._crew.pid(name)
        await self._ordered(name, moment, signal.SIGSTOP)
        try:
            before = await self._scene.observer.positions()
            if self._scene.plan.database == "postgresql" and not self._scene.plan.session_is_kept:
                await asyncio.sleep(SESSION_SECONDS)
                await self._scene.observer.terminate_forsaken()
            await self.until_published(before)
        finally:
            self._continue(name, pid)

    async def _ordered(self, name: str, moment: Moment, number: signal.Signals) -> None:
        """Have it send itself a signal at that moment, and wait until it did."""
        self._scene.orders.give(name, moment, number)

        async def taken() -> bool:
            return not self._scene.orders.is_given(name, moment)

        await self._scene.until(f"{name} to come to {moment}", taken, meanwhile=self.trickle)

    async def _asleep(self, name: str, pid: int, seconds: float) -> None:
        self._crew.signal(name, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._continue(name, pid)

    def _continue(self, name: str, pid: int) -> None:
        if self._crew.pid(name) == pid:
            self._crew.signal(name, signal.SIGCONT)

    # PostgreSQL

    async def _terminate_backend(self, fault: Fault) -> None:
        if backends := await self._scene.observer.backends():
            await self._scene.observer.terminate(fault.choose(backends))

    async def _kill_backend(self, fault: Fault) -> None:
        if backends := await self._scene.observer.backends():
            with suppress(ProcessLookupError):
                os.kill(fault.choose(backends), signal.SIGKILL)

    async def _restart_postgres(self, fault: Fault) -> None:
        self._servers.restart_postgres(at_once=fault.first)

    # Redis

    async def _kill_redis(self, fault: Fault) -> None:
        self._servers.kill_redis()
        await asyncio.sleep(fault.seconds)
        self._servers.revive_redis()

    async def _hang_redis(self, fault: Fault) -> None:
        """Up to twice the time after which relays stop waiting: some of their calls are carried out without them."""
        self._servers.signal_redis(signal.SIGSTOP)
        try:
            await asyncio.sleep(2 * fault.seconds)
        finally:
            self._servers.signal_redis(signal.SIGCONT)

    async def _put_back_older_data(self, fault: Fault) -> None:
        await self._put_back(self._copy, fault.seconds / 2)

    async def _put_back(self, copy: str | None, seconds: float = 0.0) -> None:
        self._servers.kill_redis()
        self._servers.put_back(copy)
        await asyncio.sleep(seconds)
        self._servers.revive_redis()

    async def _put_back_another_past(self, fault: Fault) -> None:
        """As when two replicas take turns: relays have published again what the second one has."""
        for copy in ("older", "newer"):
            self._servers.copy_redis(copy)
            await self.until_published()
            await self.until_published()
        await self._put_back("older")
        await self.until_published()
        await asyncio.sleep(fault.seconds)
        await self._put_back("newer")

    async def _empty_redis(self, fault: Fault) -> None:
        await self._put_back(None)

    async def _delete_stream(self, fault: Fault) -> None:
        stream = keys.stream(fault.choose(stream_types()))

        async def delete(streams: Redis) -> None:
            await streams.delete(stream)

        await self._scene.of_redis(delete)

    # Events

    async def _poison(self, fault: Fault) -> None:
        aggregate = fault.choose(range(self._scene.plan.aggregates))
        self._poisoned.add((type_of(aggregate), str(aggregate)))
        await self._scene.writer.write(1, poison_for=aggregate)
