"""What each way is asked: the same questions in all rounds, about the same users."""

import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from qulab.db.base import new_id, utcnow
from qulab.db.bulk import Columns, insert_columns, refresh_statistics
from qulab.db.engine import Database
from qulab.lab.experiments import Progress
from qulab.lab.experiments.repository_ways import PAGE, USERS, Place, Row, Way

MANY = 500  # rows that `add_many` adds
PART = 20_000  # rows in one block of the seeding
DEEP = 10_000  # the page that is compared with the first, where there are so many


class RepositoryParameters(msgspec.Struct, frozen=True, kw_only=True):
    rows: Annotated[int, Meta(ge=PAGE, le=500_000, description="users stored; page 10,000 takes all 500,000")] = 100_000
    rounds: Annotated[int, Meta(ge=1, le=20, description="measured rounds of each way")] = 5
    calls: Annotated[int, Meta(ge=1, le=5_000, description="calls of get in a round; of dearer ones fewer")] = 500


class Operation(msgspec.Struct, frozen=True):
    """What each way is asked to do, once with each of the arguments, the same ones in all rounds."""

    name: str
    call: Callable[[Way, Any], Awaitable[Any]]
    arguments: Sequence[Any]
    writes: bool = False


async def seed(scratch: Database, rows: int, progress: Progress) -> list[str]:
    """Store so many users; returns their ids in order."""
    keys = sorted(new_id() for _ in range(rows))
    async with scratch.writing() as session:
        await insert_columns(session, USERS, _parts(keys, progress))
        await session.commit()
        await refresh_statistics(session, USERS)
        await session.commit()
    return keys


def last_page(rows: int) -> int:
    return min(DEEP, rows // PAGE)


def _parts(keys: list[str], progress: Progress) -> Iterator[Columns]:
    for start in range(0, len(keys), PART):
        progress(start, len(keys))
        some = range(start, min(start + PART, len(keys)))
        yield {
            "id": keys[start : some.stop],
            "email": [_email(number) for number in some],
            "name": [f"User {number}" for number in some],
            "years_experience": [number % 40 + 0.5 for number in some],
        }


def _email(number: int) -> str:
    return f"user{number}@example.com"


def operations(parameters: RepositoryParameters, keys: list[str]) -> list[Operation]:
    """Reads come first: writes are rolled back, and leave dead rows behind."""
    chosen = random.Random(1).choices(range(len(keys)), k=parameters.calls)  # noqa: S311 - a workload, no secret
    some, few = parameters.calls // 10 or 1, parameters.calls // 100 or 1
    last = last_page(len(keys))
    deep = Place(last, keys[-PAGE * (last - 1)] if last > 1 else None)
    return [
        Operation("get", lambda way, key: way.get(key), [keys[number] for number in chosen]),
        Operation(f"list, {PAGE} newest", lambda way, limit: way.newest(limit), [PAGE] * some),
        Operation("page 1", lambda way, place: way.page(place), [Place(1, None)] * some),
        Operation(f"page {last:,}", lambda way, place: way.page(place), [deep] * some),
        Operation(
            f"add_many, {MANY} rows", lambda way, rows: way.add_many(rows), [_new_rows() for _ in range(few)], True
        ),
        Operation(
            "upsert",
            lambda way, row: way.upsert(row),
            [_changed(email=_email(number), name=f"Changed {number}") for number in set(chosen)],
            True,
        ),
    ]


def _new_rows() -> list[Row]:
    now = utcnow()
    return [
        {
            **_changed(email=f"new{key}@example.com", name="New"),
            "id": key,
            "occupation_code": None,
            "education_level": None,
            "version": 1,
            "created_at": now,
            "updated_at": now,
        }
        for key in (new_id() for _ in range(MANY))
    ]


def _changed(*, email: str, name: str) -> Row:
    return {"email": email, "name": name, "years_experience": 1.5}
