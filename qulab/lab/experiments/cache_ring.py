"""All contenders stand open on one Redis; each begins a measurement with the keys it says, and no others."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from qulab.lab.experiments import Progress
from qulab.lab.experiments.cache_contenders import Contender, snapshot, version_of
from qulab.lab.experiments.cache_entrants import Entrant
from qulab.lab.experiments.peers import Disagreement


class Steps:
    """What is done of what there is to do."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0
        progress(0, total)

    def done(self, steps: int = 1) -> None:
        self._done += steps
        self._progress(self._done, self._total)


class Ring:
    """The contenders of one list, by name. `redis` is a client of the same Redis that belongs to none of them."""

    def __init__(self, contenders: dict[str, Contender], redis: Redis, steps: Steps) -> None:
        self.contenders = contenders
        self.redis = redis
        self.steps = steps

    def in_turn(self, number: int) -> list[tuple[str, Contender]]:
        """All of them; who begins changes from round to round."""
        found = list(self.contenders.items())
        first = number % len(found)
        return [*found[first:], *found[:first]]

    async def empty(self, contender: Contender, *ids: str) -> None:
        await self.redis.delete(*[name for id_ in ids for name in contender.names(id_)])

    async def fill(self, contender: Contender, *ids: str) -> None:
        for id_ in ids:
            await contender.get(id_, bring)


@asynccontextmanager
async def ring(entrants: Sequence[Entrant], url: str, redis: Redis, steps: Steps) -> AsyncIterator[Ring]:
    async with AsyncExitStack() as opened:
        contenders: dict[str, Contender] = {}
        for entrant in entrants:
            contenders[entrant.name] = contender = entrant.kind(url)
            opened.push_async_callback(contender.close)
        yield Ring(contenders, redis, steps)


async def bring() -> Any:
    """A load that costs nothing."""
    return snapshot()


async def never() -> Any:
    """The load of a read that must hit. Raises Disagreement."""
    raise Disagreement("A read loaded what it had stored before, so its time as a hit would mean nothing.")


async def agree(ring: Ring, id_: str) -> None:
    """Each stores, hits and forgets. Raises Disagreement."""
    for name, contender in ring.contenders.items():
        await ring.empty(contender, id_)
        versions = [version_of(await contender.get(id_, load)) for load in (_second, never)]
        await contender.invalidate(id_)
        versions.append(version_of(await contender.get(id_, bring)))
        if versions != [2, 2, 1]:
            raise Disagreement(f"{name} reads the versions {versions} where the others read [2, 2, 1]")


async def _second() -> Any:
    return snapshot(version=2)
