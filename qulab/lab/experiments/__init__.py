"""An experiment is one module that page, terminal and tests run alike; its bounds are in the type of its parameters.

One heavy run at a time in a process: two would measure each other.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Generic, Self, TypeVar

import msgspec
from django.conf import settings
from redis.asyncio import Redis

from qulab.cache.client import create_redis
from qulab.db.base import Base
from qulab.db.engine import Database
from qulab.lab.scratch import migrated_database, scratch_database

REDIS_TIMEOUT = 5.0  # seconds: a busy server is no outage of an experiment

MOST_SAMPLES = 5_000  # kept of one run

Progress = Callable[[int, int], None]
"""Called with (done, total) in units of the work; often, so it must be cheap."""


def unseen(_done: int, _total: int) -> None:
    """The Progress of a run that nobody watches."""


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One raw reading: what `series`, x and y are is said by the workbench of the experiment."""

    series: str
    x: float
    y: float


class Samples:
    """The readings of one run in their order; of more than MOST_SAMPLES, every second is dropped, again and again."""

    def __init__(self) -> None:
        self.kept: list[Sample] = []
        self._fresh: list[Sample] = []
        self._step = 1
        self._came = 0

    def add(self, sample: Sample) -> None:
        self._fresh.append(sample)
        self._came += 1
        if self._came % self._step == 0:
            self.kept.append(sample)
        if len(self.kept) > MOST_SAMPLES:
            self.kept = self.kept[1::2]
            self._step *= 2

    def take(self) -> list[Sample]:
        """What came since this was last asked, all of it."""
        fresh, self._fresh = self._fresh, []
        return fresh


class Table(msgspec.Struct, frozen=True):
    """A result for the terminal. The first column is names; the others are figures. Below: notes, further tables."""

    headings: list[str]
    rows: list[list[str]]
    notes: list[str] = []
    further: "list[Table]" = []


class Bench:
    """What an experiment works with: places beside the application's own, of the same kind, gone at its end.

    `database` only says where: its rows are never read or written. Use it as an async context manager.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.measured = database  # the database whose version stands with the figures: the last one that was opened
        self.samples = Samples()
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self._resources.aclose()

    def sample(self, series: str, x: float, y: float) -> None:
        """Add one raw reading. Cheap: it may stand in a loop that is measured."""
        self.samples.add(Sample(series, x, y))

    @asynccontextmanager
    async def scratch(self, *models: type[Base]) -> AsyncIterator[Database]:
        """An empty database with the tables of `models`."""
        tables = [Base.metadata.tables[model.__tablename__] for model in models]
        async with scratch_database(self.database, tables) as database:
            self.measured = database
            yield database

    @asynccontextmanager
    async def migrated(self) -> AsyncIterator[Database]:
        """An empty database as the migrations make it, with triggers and partitions."""
        async with migrated_database(self.database) as database:
            self.measured = database
            yield database

    def redis(self, *, text: bool = False) -> Redis:
        """A client of the scratch logical database, closed with the bench. With `text` its answers are str."""
        client = create_redis(settings.REDIS_SCRATCH_URL, timeout=REDIS_TIMEOUT, text=text)
        self._resources.push_async_callback(client.aclose)
        return client


Parameters = TypeVar("Parameters", bound=msgspec.Struct)
Result = TypeVar("Result", bound=msgspec.Struct)


class Experiment(Generic[Parameters, Result]):
    """`parameters` is a frozen Struct: each field with bounds, a description (`msgspec.Meta`) and a default.

    `run` works in the places of its Bench alone and returns a frozen Struct; `rows` is what the terminal shows of it.
    """

    def __init__(
        self,
        *,
        name: str,
        summary: str,
        parameters: type[Parameters],
        run: Callable[[Parameters, Bench, Progress], Awaitable[Result]],
        rows: Callable[[Result], Table],
        unit: str = "",
    ) -> None:
        self.name = name
        self.summary = summary
        self.parameters = parameters
        self.run = run
        self.rows = rows
        self.unit = unit  # of the progress


AnyExperiment = Experiment[Any, Any]


class Busy(Exception):
    """Another experiment is running in this process. It ends within seconds; then try again."""


_running = False


@contextmanager
def alone() -> Iterator[None]:
    """Hold the process's place for experiments. Raises Busy when it is taken."""
    global _running  # one event loop for each process, and no await between look and take
    if _running:
        raise Busy
    _running = True
    try:
        yield
    finally:
        _running = False
