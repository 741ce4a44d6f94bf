"""A list for staff costs as much with a million rows as with a few: only what no index answers may read them all.

For a command alone: while it runs, the database, the streams and the sessions of this event loop are scratch ones.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode
from msgspec import Meta
from sqlalchemy import Table as DatabaseTable
from sqlalchemy import select

from accounts.models import User
from assessments.seeding import SeedParameters, seed
from outbox.models import DomainEvent, Status
from outbox.positions import partition_of
from qulab.admin import export, query
from qulab.admin.cursor import encode
from qulab.admin.site import site
from qulab.cache import keys
from qulab.cache.read_through import Cache
from qulab.db.base import new_id, utcnow
from qulab.db.bulk import insert_columns, refresh_statistics
from qulab.db.engine import Database
from qulab.db.keyset import ordered
from qulab.lab.experiments import Bench, Experiment, Progress, Table, alone, unseen
from qulab.lab.experiments.claim import claimed
from qulab.lab.experiments.pages import LONGEST, Reading, lent, read
from qulab.lab.experiments.staff import signed_in
from qulab.lab.experiments.tables import figure, range_of
from qulab.lab.measure import Spread, spread

PART = 10_000  # events written at once
EACH_OTHER = 100  # of so many events one is pending, one dead and one discarded
DEEP = 10_000  # the page that is compared with the first; of a shorter list, the one in its middle
ORDERS = ["", "created", "name", "-name", "email", "-email"]


class AdminParameters(msgspec.Struct, frozen=True, kw_only=True):
    rows: Annotated[int, Meta(ge=200, le=1_000_000, description="users to seed, and as many events")] = 100_000
    repeats: Annotated[int, Meta(ge=1, le=50, description="measured rounds over all pages")] = 5


class Asked(msgspec.Struct, frozen=True):
    """One page of a list. Time in milliseconds; `statements` is the most that one answer took."""

    what: str
    address: str
    statements: int
    rows: int
    time: Spread


class Deep(msgspec.Struct, frozen=True):
    """Medians of page `page` and of the last page, each over that of the first."""

    order: str
    page: int
    deep: float
    last: float


class File(msgspec.Struct, frozen=True):
    """All users as a file."""

    form: str
    rows: int
    bytes: int
    seconds: float


class AdminResult(msgspec.Struct, frozen=True):
    rows: int
    seed_seconds: float
    pages: list[Asked]
    ratios: list[Deep]
    files: list[File]


async def run(parameters: AdminParameters, bench: Bench, progress: Progress = unseen) -> AdminResult:
    """Seed, ask for page after page, then take all users as files. Raises PageFailed."""
    redis = bench.redis(text=True)
    with alone():
        async with (
            bench.migrated() as scratch,
            claimed(redis, [keys.WAKE], seconds=LONGEST),
            lent(scratch, redis, Cache(bench.redis())),
            signed_in(scratch) as session,
        ):
            began = time.perf_counter()
            await _seed(scratch, parameters.rows, progress)
            seconds = time.perf_counter() - began
            questions = await _questions(scratch, parameters.rows)
            readings = await _ask(scratch, list(questions.values()), parameters.repeats, session, progress)
            pages = [_asked(what, address, readings[address]) for what, address in questions.items()]
            files = [await _file(scratch, form) for form in export.Format]
    return AdminResult(parameters.rows, seconds, pages, _ratios(pages, parameters.rows), files)


# --- Rows ------------------------------------------------------------------------------------------------------------


async def _seed(scratch: Database, rows: int, progress: Progress) -> None:
    await seed(scratch, SeedParameters(users=rows, scores_per_user=0), progress)
    events: DatabaseTable = DomainEvent.metadata.tables[DomainEvent.__tablename__]
    for part in _events(rows):
        async with scratch.writing() as session:
            await insert_columns(session, events, [part])
            await session.commit()
    async with scratch.writing() as session:
        await refresh_statistics(session, events)
        await session.commit()


def _events(rows: int) -> Iterator[Mapping[str, Sequence[Any]]]:
    others = {0: Status.PENDING, 1: Status.DEAD, 2: Status.DISCARDED}
    for first in range(0, rows, PART):
        states = [others.get(number % EACH_OTHER, Status.PUBLISHED) for number in range(first, min(first + PART, rows))]
        ids, now = [new_id() for _ in states], utcnow()
        yield {
            "event_type": ["UserUpdated"] * len(ids),
            "aggregate_type": ["User"] * len(ids),
            "aggregate_id": ids,
            "payload": [{"user_id": id_} for id_ in ids],
            "partition": [partition_of("User", id_, settings.OUTBOX_PARTITIONS) for id_ in ids],
            "status": states,
            "published_at": [now if state == Status.PUBLISHED else None for state in states],
            "last_error": ["ValueError" if state in (Status.DEAD, Status.DISCARDED) else None for state in states],
        }


# --- Questions -------------------------------------------------------------------------------------------------------


async def _questions(scratch: Database, rows: int) -> dict[str, str]:
    """What is asked for, by what it is called in the result."""
    found: dict[str, str] = {"all lists": reverse("admin:index")}
    async with scratch.reading() as session:
        first = (await session.execute(select(User.id, User.email).order_by(User.id).limit(1))).one()
    for order in ORDERS:
        found[_place(order, 1)] = _users(sort=order)
        found[_place(order, _deep(rows))] = _users(sort=order, after=await _cursor(scratch, order, rows))
        found[_place(order, 0)] = _users(sort=order, last="1")
    return found | {
        "users, an id": _users(q=first.id),
        "users, a text of many": _users(q="example.com"),
        "users, a text of one": _users(q=first.email),
        "users, a text of none": _users(q="no such text"),
        "users, a text of none beyond ASCII": _users(q="Zoë Ångström the Second"),
        "users, an occupation": _users(occupation_code="15-1252"),
        "users, the first two days": _users(created_from="2018-01-01", created_to="2018-01-02"),
        "events": _events_with(),
        **{f"events, {status}": _events_with(status=status) for status in Status},
        "events, oldest dead first": _events_with(status=Status.DEAD, sort="created"),
        "events, a text of none": _events_with(q="no such text"),
        "events, a text of none, dead": _events_with(q="no such text", status=Status.DEAD),
        "audit": reverse("admin:list", args=["audit"]),
        "runs": reverse("admin:list", args=["runs"]),
    }


def _place(order: str, page: int) -> str:
    return f"users by {order or '-created'}, {f'page {page:,}' if page else 'the last page'}"


def _deep(rows: int) -> int:
    return min(DEEP, rows // (2 * query.PAGE))


def _users(**params: str) -> str:
    return _address("users", params)


def _events_with(**params: str) -> str:
    return _address("events", params)


def _address(name: str, params: Mapping[str, str]) -> str:
    given = {key: value for key, value in params.items() if value}
    return reverse("admin:list", args=[name]) + (f"?{urlencode(given)}" if given else "")


async def _cursor(scratch: Database, order: str, rows: int) -> str:
    """The place before the deep page, without walking there."""
    columns = site.get("users").sorts[order.removeprefix("-") or "created"].keys(filtered=False)
    descending = order.startswith("-") or not order
    keys_of_row = select(*columns).order_by(*ordered(columns, descending=descending))
    async with scratch.reading() as session:
        row = (await session.execute(keys_of_row.offset((_deep(rows) - 1) * query.PAGE - 1).limit(1))).one()
    return encode(columns, row)


# --- Asking ----------------------------------------------------------------------------------------------------------


async def _ask(
    scratch: Database, addresses: Sequence[str], repeats: int, session: str, progress: Progress
) -> dict[str, list[Reading]]:
    """Ask for each address in each round, one after the other, so that none has the warmer caches."""
    application, total = ASGIHandler(), repeats * len(addresses)
    for address in addresses:  # unmeasured: statements and templates are compiled
        await read(application, scratch, address, session)
    readings: dict[str, list[Reading]] = {address: [] for address in addresses}
    for turn in range(repeats):
        for number, address in enumerate(addresses):
            progress(turn * len(addresses) + number, total)
            readings[address].append(await read(application, scratch, address, session))
    progress(total, total)
    return readings


async def _file(scratch: Database, form: export.Format) -> File:
    began, size = time.perf_counter(), 0
    async with scratch.writing() as session:
        file = await export.begin(session, site.get("users"), form, QueryDict(), None)
    assert file is not None
    async for part in file:
        size += len(part)
    return File(form, file.rows, size, time.perf_counter() - began)


def _asked(what: str, address: str, readings: Sequence[Reading]) -> Asked:
    return Asked(
        what=what,
        address=address,
        statements=max(one.statements for one in readings),
        rows=readings[-1].rows,
        time=spread([one.milliseconds for one in readings]),
    )


def _ratios(pages: Sequence[Asked], rows: int) -> list[Deep]:
    medians = {one.what: one.time.median for one in pages}
    return [
        Deep(
            order=order or "-created",
            page=_deep(rows),
            deep=medians[_place(order, _deep(rows))] / medians[_place(order, 1)],
            last=medians[_place(order, 0)] / medians[_place(order, 1)],
        )
        for order in ORDERS
    ]


# --- The terminal ----------------------------------------------------------------------------------------------------


def rows(result: AdminResult) -> Table:
    return Table(
        headings=["page", "statements", "rows", "ms", "n"],
        rows=[
            [one.what, str(one.statements), str(one.rows), range_of(one.time), str(one.time.n)] for one in result.pages
        ],
        notes=[
            f"{result.rows:,} users and {result.rows:,} events, seeded in {figure(result.seed_seconds)} s. "
            "Medians, with low – high. One statement of each page finds out who asks.",
        ],
        further=[
            Table(
                headings=["users by", "page", "over page 1", "last over page 1"],
                rows=[[one.order, f"{one.page:,}", f"{one.deep:.2f}", f"{one.last:.2f}"] for one in result.ratios],
            ),
            Table(
                headings=["all users as", "rows", "MB", "s", "rows a second"],
                rows=[_row_of_file(one) for one in result.files],
            ),
        ],
    )


def _row_of_file(one: File) -> list[str]:
    per_second = figure(one.rows / one.seconds)
    return [one.form, f"{one.rows:,}", figure(one.bytes / 1e6), figure(one.seconds), per_second]


EXPERIMENT = Experiment(
    name="admin",
    summary="Seed many users and events, then ask for the lists for staff, and take all users as files.",
    parameters=AdminParameters,
    run=run,
    rows=rows,
    unit="steps",
)
