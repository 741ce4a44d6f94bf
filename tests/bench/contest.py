"""One contender by itself in the ring, skipped where its library is not installed; and what its processes leave."""

from collections.abc import AsyncIterator

import psutil
import pytest
from django.conf import settings
from redis.asyncio import Redis

from qulab.cache.client import create_redis
from qulab.lab.experiments.cache_entrants import GUARDED, OURS, PEERS, REDIS_PY, Entrant
from qulab.lab.experiments.cache_ring import Ring, Steps, ring
from qulab.lab.experiments.peers import INSTALL

ALWAYS = (OURS, REDIS_PY)
LIBRARIES = (*PEERS, *(one for one in GUARDED if one not in PEERS))

# Libraries call methods of redis-py that are deprecated: SETEX, and closing without "a".
deprecated = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")


def each(*entrants: Entrant) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entrant", entrants, indirect=True, ids=lambda one: one.place.partition(":")[2])


def unwatched() -> Steps:
    return Steps(lambda _done, _total: None, 0)


def reading() -> list[int]:
    """Processes of readers that this one has running now."""
    children = psutil.Process().children(recursive=True)
    return [child.pid for child in children if child.is_running() and "cache_reader" in " ".join(child.cmdline())]


@pytest.fixture
def entrant(request: pytest.FixtureRequest) -> Entrant:
    one: Entrant = request.param
    return one


@pytest.fixture
def url(redis_url: str) -> str:
    """Of the scratch Redis."""
    return str(settings.REDIS_SCRATCH_URL)


@pytest.fixture
async def redis(url: str) -> AsyncIterator[Redis]:
    client = create_redis(url, timeout=5.0, text=True)
    yield client
    await client.aclose()


@pytest.fixture
async def alone_in_the_ring(entrant: Entrant, url: str, redis: Redis) -> AsyncIterator[Ring]:
    if not entrant.is_installed:
        pytest.skip(f"{entrant.needs} is not installed ({INSTALL})")
    async with ring([entrant], url, redis, unwatched()) as opened:
        yield opened
