"""All servers answer the same requests with the same content from one scratch database, in turns, from the same load.

Each runs one uvicorn with the same event loop and the same HTTP implementation. Before anything is measured, their
answers are compared.
"""

import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import msgspec
from django.conf import settings
from django.core.management.base import CommandError
from msgspec import Meta
from sqlalchemy import text

from accounts.models import User
from qulab.db.base import Base, new_id
from qulab.db.bulk import Columns, insert_columns, refresh_statistics
from qulab.db.engine import Database
from qulab.lab.experiments import Bench, Experiment, Progress, Table, alone, unseen
from qulab.lab.experiments.http_agreement import agreed_lengths
from qulab.lab.experiments.http_peers import OURS, Missing, environment, present
from qulab.lab.experiments.http_servers import Server, run_script, serving
from qulab.lab.experiments.peers import INSTALL, are_here
from qulab.lab.experiments.tables import range_of
from qulab.lab.measure import Spread, spread
from qulab.lab.scratch import PREFIX

LOAD = Path(__file__).with_name("http_load.py")
SATURATED = 0.9  # of a processor: a load that took more may have been what limited the rate
PLAIN, ONE_USER = "no database", "one user"


class HttpParameters(msgspec.Struct, frozen=True, kw_only=True):
    rounds: Annotated[int, Meta(ge=1, le=20, description="measured rounds of each server")] = 5
    seconds: Annotated[float, Meta(ge=0.1, le=30, description="seconds of load in each round")] = 2.0
    concurrency: Annotated[int, Meta(ge=1, le=200, description="connections that ask at the same time")] = 32
    users: Annotated[int, Meta(ge=1, le=100_000, description="users in the database")] = 10_000
    pool_size: Annotated[int, Meta(ge=1, le=50, description="database connections that each server keeps")] = 10
    overflow: Annotated[int, Meta(ge=0, le=50, description="database connections beyond that, for a while")] = 20


class Round(msgspec.Struct, frozen=True):
    """One load on one server. Rate in requests a second, times in ms, `cpu` in µs a request, of the server alone.

    `busy` is the part of a processor that the load itself took.
    """

    requests: int
    rate: float
    p50: float
    p99: float
    cpu: float | None
    busy: float


class Figures(msgspec.Struct, frozen=True):
    """One server over all rounds; round by round, `ratio` is this project's rate over its own, `cpu_ratio` its CPU over
    this project's: above 1, this project is ahead."""

    name: str
    rate: Spread
    p50: Spread
    p99: Spread
    cpu: Spread | None
    ratio: Spread
    cpu_ratio: Spread | None
    rounds: list[Round]


class Address(msgspec.Struct, frozen=True):
    """One address, with this project's figures first."""

    name: str
    servers: list[Figures]


class HttpResult(msgspec.Struct, frozen=True):
    parameters: HttpParameters
    addresses: list[Address]
    missing: list[Missing]


class NoPeers(CommandError):
    """Servers are compared in a checkout: what they run is in tests/peers, which is not here."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


async def run(parameters: HttpParameters, bench: Bench, progress: Progress = unseen) -> HttpResult:
    """Raises Busy while another experiment runs, NoPeers outside a checkout, ServerFailed, Disagreement."""
    if not are_here(settings.BASE_DIR):
        raise NoPeers
    with alone():
        async with bench.migrated() as scratch:
            user_id = await fill(scratch, parameters.users)
            async with _servers(scratch, parameters) as (servers, missing):
                places = {PLAIN: "/plain", ONE_USER: f"/users/{user_id}"}
                lengths = {place: await agreed_lengths(servers, place) for place in places.values()}
                readings = await _take_turns(servers, places, lengths, parameters, progress)
    addresses = [Address(name, _figures(of_servers)) for name, of_servers in readings.items()]
    return HttpResult(parameters, addresses, missing)


async def fill(scratch: Database, users: int) -> str:
    """Store users; returns the id of one in the middle."""
    ids = [new_id() for _ in range(users)]
    columns: Columns = {
        "id": ids,
        "email": [f"user{number}@example.com" for number in range(users)],
        "name": [f"User {number}" for number in range(users)],
        "occupation_code": ["15-1252"] * users,
        "education_level": ["bachelor"] * users,
        "years_experience": [number % 40 + 0.5 for number in range(users)],
    }
    table = Base.metadata.tables[User.__tablename__]
    async with scratch.writing() as session:
        await insert_columns(session, table, [columns])
        await session.commit()
        await refresh_statistics(session, table)
        await session.commit()
    return ids[users // 2]


@asynccontextmanager
async def _servers(scratch: Database, parameters: HttpParameters) -> AsyncIterator[tuple[list[Server], list[Missing]]]:
    peers, missing = present(scratch.dialect)
    reached = environment(
        scratch.url,
        await _schema(scratch),
        pool_size=parameters.pool_size,
        max_overflow=parameters.overflow,
    )
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        async with serving(peers, reached, Path(folder)) as servers:
            yield servers, missing


async def _schema(scratch: Database) -> str | None:
    """Where on its server the scratch database is; None for a file."""
    if scratch.dialect == "sqlite":
        return None
    async with scratch.reading() as session:
        return str(await session.scalar(text("SELECT current_schema()")))


# --- Rounds ----------------------------------------------------------------------------------------------------------

Readings = dict[str, dict[str, list[Round]]]  # by address, by server


async def _take_turns(
    servers: Sequence[Server],
    places: dict[str, str],
    lengths: dict[str, dict[str, int]],
    parameters: HttpParameters,
    progress: Progress,
) -> Readings:
    readings: Readings = {name: {server.name: [] for server in servers} for name in places}
    done, total = 0, len(places) * len(servers) * (1 + parameters.rounds)
    for name, place in places.items():
        for turn in range(1 + parameters.rounds):
            for server in servers:
                progress(done, total)
                one = await _load(server, place, lengths[place][server.name], parameters)
                if turn:  # the first is not measured: pools fill, statements are compiled
                    readings[name][server.name].append(one)
                done += 1
    progress(total, total)
    return readings


async def _load(server: Server, place: str, length: int, parameters: HttpParameters) -> Round:
    before = server.cpu_seconds()
    told = await run_script(LOAD, server.port, place, length, parameters.concurrency, parameters.seconds)
    after = server.cpu_seconds()
    one = msgspec.json.decode(told, type=dict[str, float])
    count = int(one["requests"])
    return Round(
        requests=count,
        rate=count / one["seconds"],
        p50=1000 * one["p50"],
        p99=1000 * one["p99"],
        cpu=None if before is None or after is None else 1e6 * (after - before) / count,
        busy=one["busy"],
    )


def _figures(of_servers: dict[str, list[Round]]) -> list[Figures]:
    ours = of_servers[OURS.name]
    return [
        Figures(
            name=name,
            rate=spread([one.rate for one in rounds]),
            p50=spread([one.p50 for one in rounds]),
            p99=spread([one.p99 for one in rounds]),
            cpu=_spread([one.cpu for one in rounds]),
            ratio=spread([mine.rate / its.rate for mine, its in zip(ours, rounds, strict=True)]),
            cpu_ratio=_spread([_cpu_ratio(mine, its) for mine, its in zip(ours, rounds, strict=True)]),
            rounds=rounds,
        )
        for name, rounds in of_servers.items()
    ]


def _cpu_ratio(mine: Round, its: Round) -> float | None:
    return its.cpu / mine.cpu if its.cpu and mine.cpu else None


def _spread(values: Sequence[float | None]) -> Spread | None:
    """Of what was measured."""
    measured = [value for value in values if value is not None]
    return spread(measured) if measured else None


# --- In the terminal -------------------------------------------------------------------------------------------------


def rows(result: HttpResult) -> Table:
    return Table(
        headings=[
            "address, server",
            "requests/s",
            "p50, ms",
            "p99, ms",
            "CPU a request, µs",
            "ours / its rate",
            "its / our CPU",
        ],
        rows=[
            [f"{address.name}, {one.name}", *map(range_of, _shown(one))]
            for address in result.addresses
            for one in address.servers
        ],
        notes=list(_notes(result)),
    )


def _shown(one: Figures) -> list[Spread | None]:
    ratios = [None, None] if one.name == OURS.name else [one.ratio, one.cpu_ratio]
    return [one.rate, one.p50, one.p99, one.cpu, *ratios]


def _notes(result: HttpResult) -> Iterator[str]:
    given = result.parameters
    yield (
        f"Each figure is the median of {given.rounds} rounds (low – high), in turns, of {given.seconds:g} s on "
        f"{given.concurrency} connections. One uvicorn process each, with asyncio and h11."
    )
    if any(one.cpu is None for address in result.addresses for one in address.servers):
        yield "CPU was not measured: here it takes psutil (pip install -r tests/requirements.txt)."
    for address in result.addresses:
        for one in address.servers:
            busiest = max(a_round.busy for a_round in one.rounds)
            if busiest > SATURATED:
                yield f"{address.name}, {one.name}: the load took {busiest:.0%} of a processor, and may be the limit."
    for absent in result.missing:
        yield f"{absent.name} is left out: {', '.join(absent.modules)} is not installed ({INSTALL})."


EXPERIMENT = Experiment(
    name="http",
    summary="Load this project, stock Django, Django's ORM, FastAPI and Starlette with the same query, in turns.",
    parameters=HttpParameters,
    run=run,
    rows=rows,
    unit="loads",
)
