"""Pages are asked for as a browser asks, over many rows: each list's first page, one in its middle, and its last.

For a command alone: while it runs, the database, the streams and the cache of this event loop are scratch ones.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.urls import reverse
from django.utils.http import urlencode
from msgspec import Meta
from redis.asyncio import Redis
from sqlalchemy import Table as DatabaseTable
from sqlalchemy import func, select

from assessments.seeding import Seeded, SeedParameters, seed
from outbox.models import DomainEvent, Status
from outbox.positions import partition_of
from qulab.access.sessions import redis_of_sessions
from qulab.admin.cursor import encode
from qulab.admin.declare import NEWEST, Admin
from qulab.admin.site import site
from qulab.cache import keys
from qulab.cache.client import streams
from qulab.cache.read_through import Cache, caches
from qulab.db.base import new_id, utcnow
from qulab.db.bulk import insert_columns, refresh_statistics
from qulab.db.engine import Database, databases
from qulab.db.probe import probe
from qulab.lab.experiments import Bench, Experiment, Progress, Table, alone, unseen
from qulab.lab.experiments.claim import claimed
from qulab.lab.experiments.in_process import get
from qulab.lab.experiments.staff import signed_in
from qulab.lab.experiments.tables import figure
from qulab.lab.measure import Spread, spread

FULL = {"users", "assessments", "scores", "events"}  # the lists that are seeded
SECTIONS = [f"/lab/{number}" for number in range(1, 6)]
EACH_PUBLISHED = 10  # of so many events one is pending
LONGEST = 3600.0  # seconds


class PagesParameters(msgspec.Struct, frozen=True, kw_only=True):
    users: Annotated[int, Meta(ge=100, le=200_000, description="users to seed")] = 100_000
    scores_per_user: Annotated[int, Meta(ge=1, le=5, description="scores of each: half a GB for each 100,000")] = 1
    events: Annotated[int, Meta(ge=100, le=100_000, description="events, nine in ten published")] = 20_000
    repeats: Annotated[int, Meta(ge=1, le=50, description="measured rounds over all pages")] = 5


class Page(msgspec.Struct, frozen=True):
    """One address, asked for in each round. Time in milliseconds; `statements` is the most that one answer took."""

    address: str
    statements: int
    rows: int
    time: Spread


class ListPages(msgspec.Struct, frozen=True):
    """One list in one order. `ratio`: the median of the last page over that of the first."""

    name: str
    order: str
    statements: int
    ratio: float
    first: Page
    middle: Page
    last: Page


class PagesResult(msgspec.Struct, frozen=True):
    users: int
    scores: int
    events: int
    seed_seconds: float
    lists: list[ListPages]
    sections: list[Page]


class Addresses(msgspec.Struct, frozen=True):
    """Where the three pages of one list in one order are."""

    name: str
    order: str
    first: str
    middle: str
    last: str


async def run(parameters: PagesParameters, bench: Bench, progress: Progress = unseen) -> PagesResult:
    """Seed, then ask for page after page. Raises PageFailed for a page that does not answer as it should."""
    redis = bench.redis(text=True)
    with alone():
        async with (
            bench.migrated() as scratch,
            claimed(redis, [keys.WAKE], seconds=LONGEST),
            lent(scratch, redis, Cache(bench.redis())),
            signed_in(scratch) as session,
        ):
            seeded = await _seed(scratch, parameters, progress)
            full = [admin for admin in site if admin.name in FULL]
            lists = [await _addresses(scratch, admin, sort) for admin in full for sort in admin.sorts]
            pages = await _ask(scratch, lists, parameters, session, progress)
    return _result(parameters, seeded, lists, pages)


@asynccontextmanager
async def lent(scratch: Database, redis: Redis, cache: Cache) -> AsyncIterator[None]:
    """Let the views of this event loop find the scratch places where they look for the application's."""
    before = databases.lend(scratch), streams.lend(redis), caches.lend(cache), redis_of_sessions.lend(redis)
    try:
        yield
    finally:
        databases.lend(before[0])
        streams.lend(before[1])
        caches.lend(before[2])
        redis_of_sessions.lend(before[3])


async def _seed(scratch: Database, parameters: PagesParameters, progress: Progress) -> Seeded:
    people = SeedParameters(users=parameters.users, scores_per_user=parameters.scores_per_user)
    seeded = await seed(scratch, people, progress)
    events: DatabaseTable = DomainEvent.metadata.tables[DomainEvent.__tablename__]
    async with scratch.writing() as session:
        await insert_columns(session, events, [_events(parameters.events)])
        await refresh_statistics(session, events)
        await session.commit()
    return seeded


def _events(count: int) -> Mapping[str, Sequence[Any]]:
    pending = [number % EACH_PUBLISHED == 0 for number in range(count)]
    ids, now = [new_id() for _ in range(count)], utcnow()
    return {
        "event_type": ["UserUpdated"] * count,
        "aggregate_type": ["User"] * count,
        "aggregate_id": ids,
        "payload": [{"user_id": id_} for id_ in ids],
        "partition": [partition_of("User", id_, settings.OUTBOX_PARTITIONS) for id_ in ids],
        "status": [Status.PENDING if one else Status.PUBLISHED for one in pending],
        "published_at": [None if one else now for one in pending],
    }


# --- Addresses -------------------------------------------------------------------------------------------------------


async def _addresses(scratch: Database, admin: Admin, sort: str) -> Addresses:
    path = reverse("admin:list", args=[admin.name])
    order = {} if sort == NEWEST else {"sort": sort}  # the newest first is what a list begins with
    return Addresses(
        name=admin.name,
        order=sort,
        first=_address(path, order),
        middle=_address(path, {**order, "after": await _cursor_of_the_middle(scratch, admin, sort)}),
        last=_address(path, {**order, "last": "1"}),
    )


def _address(path: str, asked: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(asked)}" if asked else path


async def _cursor_of_the_middle(scratch: Database, admin: Admin, sort: str) -> str:
    columns = admin.sorts[sort].keys(filtered=False)
    async with scratch.reading() as session:
        count = await session.scalar(select(func.count()).select_from(admin.model)) or 0
        row = (await session.execute(select(*columns).order_by(*columns).offset(count // 2).limit(1))).one()
    return encode(columns, row)


# --- Asking ----------------------------------------------------------------------------------------------------------


class Reading(msgspec.Struct, frozen=True):
    statements: int
    rows: int
    milliseconds: float


async def _ask(
    scratch: Database, lists: Sequence[Addresses], parameters: PagesParameters, session: str, progress: Progress
) -> dict[str, Page]:
    """Ask for each address in each round, one after the other, so that none has the warmer caches."""
    addresses = [address for one in lists for address in (one.first, one.middle, one.last)] + SECTIONS
    application, total = ASGIHandler(), parameters.repeats * len(addresses)
    for address in addresses:  # unmeasured: statements and templates are compiled, demo users prepared
        await read(application, scratch, address, session)
    readings: dict[str, list[Reading]] = {address: [] for address in addresses}
    for turn in range(parameters.repeats):
        for number, address in enumerate(addresses):
            progress(turn * len(addresses) + number, total)
            readings[address].append(await read(application, scratch, address, session))
    progress(total, total)
    return {address: _page(address, of_one) for address, of_one in readings.items()}


async def read(application: ASGIHandler, scratch: Database, address: str, session: str) -> Reading:
    """Ask for a page. Raises PageFailed."""
    with probe(scratch.engine) as opened:
        began = time.perf_counter()
        answer = await get(application, address, session)
        milliseconds = 1000 * (time.perf_counter() - began)
    rows = max(answer.body.partition(b"<tbody")[2].count(b"<tr"), 0)
    return Reading(opened.count, rows, milliseconds)


def _page(address: str, readings: Sequence[Reading]) -> Page:
    return Page(
        address=address,
        statements=max(one.statements for one in readings),
        rows=readings[-1].rows,
        time=spread([one.milliseconds for one in readings]),
    )


# --- What it comes to ------------------------------------------------------------------------------------------------


def _result(
    parameters: PagesParameters, seeded: Seeded, lists: Sequence[Addresses], pages: Mapping[str, Page]
) -> PagesResult:
    return PagesResult(
        users=seeded.users,
        scores=seeded.scores,
        events=parameters.events,
        seed_seconds=seeded.seconds,
        lists=[_list(one, pages[one.first], pages[one.middle], pages[one.last]) for one in lists],
        sections=[pages[path] for path in SECTIONS],
    )


def _list(addresses: Addresses, first: Page, middle: Page, last: Page) -> ListPages:
    return ListPages(
        name=addresses.name,
        order=addresses.order,
        statements=max(first.statements, middle.statements, last.statements),
        ratio=last.time.median / first.time.median,
        first=first,
        middle=middle,
        last=last,
    )


def rows(result: PagesResult) -> Table:
    return Table(
        headings=["page", "statements", "rows", "first, ms", "middle, ms", "last, ms", "last ÷ first", "n"],
        rows=[_row_of_list(one) for one in result.lists] + [_row_of_section(one) for one in result.sections],
        notes=[
            f"{result.users:,} users, {result.scores:,} scores and {result.events:,} events, "
            f"seeded in {figure(result.seed_seconds)} s. Medians, with low – high.",
        ],
    )


def _row_of_list(one: ListPages) -> list[str]:
    return [
        f"/admin/{one.name} by {one.order}",
        str(one.statements),
        "/".join(str(page.rows) for page in (one.first, one.middle, one.last)),
        *(_time(page.time) for page in (one.first, one.middle, one.last)),
        f"{one.ratio:.2f}",
        str(one.first.time.n),
    ]


def _row_of_section(page: Page) -> list[str]:
    return [page.address, str(page.statements), "", _time(page.time), "", "", "", str(page.time.n)]


def _time(time: Spread) -> str:
    return f"{figure(time.median)} ({figure(time.low)} – {figure(time.high)})"


EXPERIMENT = Experiment(
    name="pages",
    summary="Seed many users with a score each, then ask for the list pages of the admin: first, middle and last.",
    parameters=PagesParameters,
    run=run,
    rows=rows,
    unit="steps",
)
