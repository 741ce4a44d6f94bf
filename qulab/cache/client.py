"""Redis clients fail fast and never retry by themselves: what to do without Redis is decided by the caller, at once."""

from django.conf import settings
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from qulab.db.loop import PerLoop

CACHE_TIMEOUT = 0.05  # seconds: a cache that takes longer costs more than it saves
CACHE_CONNECTIONS = 16  # more would only connect, and wait, at the same time
POOL_WAIT = 1.0  # seconds for a free connection: a queue here is load, not an outage
STREAMS_TIMEOUT = 1.0  # seconds


def create_redis(url: str, *, timeout: float, text: bool = False, max_connections: int = 50) -> Redis:
    """A client with one bounded pool. `timeout` (seconds) bounds connecting, and an answer.

    With `text` answers are str, otherwise bytes.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=max(timeout, POOL_WAIT),
        socket_connect_timeout=timeout,
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        decode_responses=text,
    )
    return Redis.from_pool(pool)


streams: PerLoop[Redis] = PerLoop(
    lambda: create_redis(settings.REDIS_STREAMS_URL, timeout=STREAMS_TIMEOUT, text=True), lambda redis: redis.aclose()
)


def get_streams() -> Redis:
    """The client of the streams' logical database in the running loop. Its answers are str."""
    return streams.get()
