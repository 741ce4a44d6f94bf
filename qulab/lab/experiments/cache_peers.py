"""The product's cache beside redis-py alone and beside four libraries, in one run on one Redis, taking turns.

What is forced is counted, what is timed stands as a ratio to redis-py in the same round. The application's keys are
elsewhere, and no key of the run outlives it.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import msgspec
from django.conf import settings
from msgspec import Meta

from qulab.lab.experiments import Bench, Progress, alone, unseen
from qulab.lab.experiments.cache_contenders import Contender
from qulab.lab.experiments.cache_entrants import AS_SERVED, Entrant, absent, guarded, plain
from qulab.lab.experiments.cache_hits import Speeds, hit_ids, miss_ids, speeds
from qulab.lab.experiments.cache_outages import Outages, outages
from qulab.lab.experiments.cache_races import RACE, Collateral, StaleSets, collateral, stale_sets
from qulab.lab.experiments.cache_readers import readers
from qulab.lab.experiments.cache_ring import Ring, Steps, agree, ring
from qulab.lab.experiments.cache_stampedes import HERD, PROCESSES, Stampedes, stampedes
from qulab.lab.experiments.claim import claimed
from qulab.lab.experiments.http_peers import Missing
from qulab.lab.experiments.peers import are_here

LONGEST = 900.0  # seconds after which another run may take the place

Peers = Annotated[bool, Meta(description="compare with cashews, aiocache, dogpile.cache and django-redis too")]
PeerRounds = Annotated[int, Meta(ge=0, le=50, description="rounds beside other caches; 0 leaves them out")]
PeerCalls = Annotated[int, Meta(ge=10, le=5000, description="hits in each of them, one by one and 50 at once")]
Forced = Annotated[int, Meta(ge=0, le=10_000, description="forced stale sets; a tenth of it for each other cache")]
StampedeRuns = Annotated[int, Meta(ge=0, le=100, description="runs of 4 processes, each with 50 readers of a cold key")]
Away = Annotated[bool, Meta(description="read while Redis hangs and while it refuses connections")]


class PeersParameters(msgspec.Struct, frozen=True, kw_only=True):
    peers: Peers = False
    peer_rounds: PeerRounds = 9
    peer_calls: PeerCalls = 300
    forced: Forced = 1000
    stampedes: StampedeRuns = 20
    outages: Away = True


class PeersResult(msgspec.Struct, frozen=True):
    """What was not asked for is empty, or None. `missing`: libraries that are not installed."""

    parameters: PeersParameters
    speeds: Speeds
    stale_sets: list[StaleSets]
    collateral: list[Collateral]
    stampedes: list[Stampedes]
    outages: Outages | None
    missing: list[Missing]
    in_a_checkout: bool
    seconds: float


def steps(parameters: PeersParameters) -> int:
    """What the progress counts."""
    if not parameters.peer_rounds:
        return 0
    of_plain, of_guarded = len(plain(peers=parameters.peers)), len(guarded(peers=parameters.peers))
    runs = 1 + parameters.stampedes if parameters.stampedes else 0
    races = (of_plain if parameters.forced else 0) + of_guarded
    return 1 + parameters.peer_rounds + races + runs + (2 * of_plain if parameters.outages else 0)


async def compare_with_peers(
    parameters: PeersParameters, bench: Bench, progress: Progress = unseen
) -> PeersResult | None:
    """None where no rounds are asked for. Raises Busy while another runs, RedisError, Disagreement, ReaderFailed."""
    if not parameters.peer_rounds:
        return None
    began, told = time.perf_counter(), Steps(progress, steps(parameters))
    entrants, sharing = plain(peers=parameters.peers), guarded(peers=parameters.peers)
    async with _rings(entrants, sharing, parameters, bench, told) as (open_ring, meeting):
        for one in (open_ring, meeting):
            await agree(one, RACE)
        measured = await speeds(open_ring, rounds=parameters.peer_rounds, calls=parameters.peer_calls)
        stale = await stale_sets(open_ring, parameters.forced)
        cancelled = await collateral(meeting, sharing)
        herds, away = await _in_processes(parameters, meeting, entrants, sharing)
    return PeersResult(
        parameters=parameters,
        speeds=measured,
        stale_sets=stale,
        collateral=cancelled,
        stampedes=herds,
        outages=away,
        missing=absent() if parameters.peers else [],
        in_a_checkout=are_here(settings.BASE_DIR),
        seconds=time.perf_counter() - began,
    )


@asynccontextmanager
async def _rings(
    entrants: list[Entrant], sharing: list[Entrant], parameters: PeersParameters, bench: Bench, told: Steps
) -> AsyncIterator[tuple[Ring, Ring]]:
    """Those that are timed, and those that meet."""
    redis, url = bench.redis(), settings.REDIS_SCRATCH_URL
    await redis.ping()  # before anything is made
    ids = [*hit_ids(), *miss_ids(parameters.peer_calls), RACE, HERD]
    kinds: set[type[Contender]] = {entrant.kind for entrant in [*entrants, *sharing]}
    names = [name for kind in kinds for id_ in ids for name in kind.names(id_)]
    with alone():
        async with (
            claimed(redis, names, seconds=LONGEST),
            ring(entrants, url, redis, told) as open_ring,
            ring(sharing, url, redis, told) as meeting,
        ):
            yield open_ring, meeting


async def _in_processes(
    parameters: PeersParameters, meeting: Ring, entrants: list[Entrant], sharing: list[Entrant]
) -> tuple[list[Stampedes], Outages | None]:
    if not (parameters.stampedes or parameters.outages):
        return [], None
    async with readers(PROCESSES) as processes:
        herds = await stampedes(meeting, sharing, processes, settings.REDIS_SCRATCH_URL, parameters.stampedes)
        away = await outages([AS_SERVED, *entrants[1:]], processes, meeting.steps) if parameters.outages else None
    return herds, away
