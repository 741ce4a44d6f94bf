"""`/metrics` in the text format of Prometheus: one statement and one call to Redis, both bounded in time.

A part that is away leaves its metrics out and says so in its `up`. Labels name streams, groups and states: no person.
"""

import asyncio
import os
from collections.abc import Awaitable, Iterable, Iterator
from http import HTTPStatus
from itertools import accumulate
from typing import TypeVar

import asyncpg
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from outbox import streams
from outbox.figures import OutboxFigures, outbox_figures
from outbox.selectors import MOST_COUNTED
from outbox.streams import StreamsState
from qulab.access.operator import comes_from_here
from qulab.cache.client import get_streams
from qulab.cache.histogram import BOUNDS as CACHE_BOUNDS
from qulab.cache.histogram import Histogram
from qulab.cache.metrics import CacheMetrics
from qulab.cache.read_through import get_cache
from qulab.db.engine import Database, get_database
from qulab.db.pool import BOUNDS, Waits

SECONDS = 0.9  # for both parts, which are asked at the same time
OF_THIS_PROCESS = "in the web process that answered"

CLOSED = "Metrics are answered on loopback only, asked for directly. Scrape them from this machine.\n"

Answer = TypeVar("Answer")


class Scrape(Collector):
    """The families of one scrape, as the library's encoders want them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


@never_cache
@require_safe
async def metrics(request: HttpRequest) -> HttpResponse:
    if not comes_from_here(request):
        return HttpResponse(CLOSED, status=HTTPStatus.FORBIDDEN, content_type="text/plain; charset=utf-8")
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(await scrape()), content_type=content_type)


async def scrape() -> Scrape:
    """Ask every part. Never raises for one that is away."""
    database = get_database()
    figures, state = await asyncio.gather(_bounded(_figures(database)), _bounded(streams.look(get_streams())))
    families = [_up("database", figures), _up("redis", state)]
    families += _outbox(figures) if figures else []
    families += _streams(state) if state else []
    return Scrape([*families, *_pool(database), *_cache(get_cache().metrics)])


async def _bounded(question: Awaitable[Answer]) -> Answer | None:
    try:
        return await asyncio.wait_for(question, SECONDS)
    except (TimeoutError, SQLAlchemyError, asyncpg.PostgresError, RedisError, OSError):
        return None


async def _figures(database: Database) -> OutboxFigures:
    async with database.reading() as session:
        return await outbox_figures(session)


def _up(name: str, answer: object) -> Metric:
    return _gauge(f"{name}_up", f"Whether the {name} answered this scrape.", answer is not None)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"qulab_{name}", about, value=value)


def _counter(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(f"qulab_{name}", about, value=value)


def _outbox(figures: OutboxFigures) -> Iterator[Metric]:
    most = f"counted up to {MOST_COUNTED:,}"
    yield _gauge("outbox_depth", f"Pending events, {most}.", figures.depth)
    yield _gauge("outbox_dead", f"Dead letters, {most}.", figures.dead)
    yield _gauge("outbox_lag_seconds", "Age of the oldest pending event; 0 with none.", figures.lag_seconds or 0.0)
    yield _gauge("outbox_paused", "Whether publishing is paused.", figures.paused)
    yield _counter("outbox_published", "Events that entered their streams.", figures.published)
    yield _counter("outbox_repeats_avoided", "Events whose relay died after publishing them.", figures.repeated)
    yield _counter("outbox_recovered", "Events that Redis lost and that were made pending again.", figures.recovered)
    yield _counter("outbox_failed_attempts", "Attempts that failed by the fault of the event.", figures.failed)


def _streams(state: StreamsState) -> Iterator[Metric]:
    both = ["stream", "group"]
    length = GaugeMetricFamily("qulab_stream_length", "Entries that the stream holds.", labels=["stream"])
    pending = GaugeMetricFamily("qulab_group_pending", "Entries delivered and not acknowledged.", labels=both)
    lag = GaugeMetricFamily("qulab_group_lag", "Entries that the group has not read.", labels=both)
    trimmed = CounterMetricFamily(
        "qulab_group_trimmed_unacknowledged", "Entries trimmed before the group acknowledged them.", labels=both
    )
    for stream in state.streams:
        length.add_metric([stream.name], stream.length)
        for group in stream.groups:
            pending.add_metric([stream.name, group.name], group.pending)
            trimmed.add_metric([stream.name, group.name], group.trimmed)
            if group.lag is not None:
                lag.add_metric([stream.name, group.name], group.lag)
    dead = GaugeMetricFamily(
        "qulab_group_dead_letters", "Entries that the group's handlers failed at.", labels=["group"]
    )
    for name, count in state.dead_letters.items():
        dead.add_metric([name], count)
    yield from (length, pending, lag, trimmed, dead)


def _pool(database: Database) -> Iterator[Metric]:
    """Each process has a pool of its own, so each is a series of its own."""
    process, state, waits = str(os.getpid()), database.pool_state(), database.waits
    connections = GaugeMetricFamily(
        "qulab_pool_connections", f"Database connections {OF_THIS_PROCESS}.", labels=["process", "state"]
    )
    connections.add_metric([process, "in use"], state.checked_out)
    connections.add_metric([process, "idle"], state.idle)
    yield connections
    yield _wait_seconds(process, waits)
    timeouts = CounterMetricFamily(
        "qulab_pool_timeouts", f"Requests that got no connection in time {OF_THIS_PROCESS}.", labels=["process"]
    )
    timeouts.add_metric([process], waits.timeouts)
    yield timeouts


def _wait_seconds(process: str, waits: Waits) -> Metric:
    seconds = HistogramMetricFamily(
        "qulab_pool_wait_seconds", f"Waits for a database connection {OF_THIS_PROCESS}.", labels=["process"]
    )
    bounds = [*map(str, BOUNDS), "+Inf"]
    seconds.add_metric([process], list(zip(bounds, accumulate(waits.buckets), strict=True)), sum_value=waits.seconds)
    return seconds


def _cache(counted: CacheMetrics) -> Iterator[Metric]:
    process = str(os.getpid())
    reads = CounterMetricFamily(
        "qulab_cache_reads", f"Reads through the cache {OF_THIS_PROCESS}.", labels=["process", "outcome"]
    )
    for outcome, count in counted.outcomes.items():
        reads.add_metric([process, outcome], count)
    yield reads
    seconds = HistogramMetricFamily(
        "qulab_cache_seconds",
        f"Whole reads, looks into Redis, loads from the database, and fills {OF_THIS_PROCESS}.",
        labels=["process", "part"],
    )
    bounds = [*map(str, CACHE_BOUNDS), "+Inf"]
    for part in ("reads", "looks", "loads", "fills"):
        histogram: Histogram = getattr(counted, part)
        buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
        seconds.add_metric([process, part], buckets, sum_value=histogram.sum)
    yield seconds
    for name, about in (
        ("refreshes", "Stale entries loaded again"),
        ("refused_fills", "Fills that an invalidation forestalled"),
        ("errors", "Calls that Redis did not answer"),
    ):
        counter = CounterMetricFamily(f"qulab_cache_{name}", f"{about} {OF_THIS_PROCESS}.", labels=["process"])
        counter.add_metric([process], getattr(counted, name))
        yield counter
