"""A run says how far it is ten times a second at most; what it said last stays in Redis for as long as it lives.

Redis is the only place of this: without it a run goes on, is saved in the database, and nobody sees it move.
"""

from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from qulab.cache import keys
from qulab.lab.experiments import Sample, Samples
from qulab.lab.models import RunStatus

LIFETIME = 15  # seconds without a word after which a run is lost
CANCEL_LIFETIME = 600  # seconds that a wish to cancel waits for its run
MOST_SHOWN = 400  # samples in the state that a page which comes later gets


class Progress(msgspec.Struct, frozen=True):
    """How far a run is, in `done` of `total` units. `whole`: the samples are all, and not only the new ones."""

    status: str
    done: int = 0
    total: int = 0
    unit: str = ""
    label: str = ""
    samples: list[Sample] = []
    whole: bool = False


class Reporter:
    """What the worker tells of one run. Failures of Redis are left out: the next report says all of it again."""

    def __init__(self, redis: Redis, run_id: str, unit: str) -> None:
        self.samples = Samples()
        self.label = ""
        self._redis = redis
        self._run_id = run_id
        self._unit = unit
        self._done = (0, 0)

    def progress(self, done: int, total: int) -> None:
        """The Progress of the experiment."""
        self._done = (done, total)

    async def report(self) -> None:
        """Publish what is new, and keep what is known."""
        await self._tell(self._now(self.samples.take()))

    async def end(self, status: RunStatus) -> None:
        """The last word. What is known is in the database from here on."""
        await self._tell(msgspec.structs.replace(self._now(self.samples.take()), status=status))

    async def is_cancelled(self) -> bool:
        """Whether somebody asked for the end of the run; not while Redis is away."""
        try:
            return bool(await self._redis.exists(keys.run_cancel(self._run_id)))
        except (RedisError, OSError):
            return False

    async def _tell(self, news: Progress) -> None:
        known = msgspec.structs.replace(news, samples=_shown(self.samples.kept), whole=True)
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.publish(keys.live(f"run.{self._run_id}"), _encoded(news))
                pipeline.set(keys.run_state(self._run_id), _encoded(known), ex=LIFETIME)
                await pipeline.execute()
        except (RedisError, OSError):
            return

    def _now(self, samples: list[Sample]) -> Progress:
        done, total = self._done
        return Progress(RunStatus.RUNNING, done, total, self._unit, self.label, samples)


async def last_word(redis: Redis, run_id: str) -> Progress | None:
    """What the run said last; None from one that has said nothing for long. Raises RedisError without Redis."""
    text: Any = await redis.get(keys.run_state(run_id))
    return msgspec.json.decode(text, type=Progress) if text else None


async def ask_to_cancel(redis: Redis, run_id: str) -> None:
    """Raises RedisError without Redis: then nobody hears of it."""
    await redis.set(keys.run_cancel(run_id), 1, ex=CANCEL_LIFETIME)


def _shown(samples: list[Sample]) -> list[Sample]:
    return samples[:: -(-len(samples) // MOST_SHOWN) or 1]


def _encoded(progress: Progress) -> str:
    return msgspec.json.encode(progress).decode()
