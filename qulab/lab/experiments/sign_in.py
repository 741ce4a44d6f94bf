"""What a stopwatch at the door learns, and what everybody else waits while a password is compared.

For a command alone: while it runs, the database of this event loop is a scratch one.
"""

import asyncio
import time
from contextlib import suppress
from typing import Annotated

import msgspec
from django.core.handlers.asgi import ASGIHandler
from msgspec import Meta

from accounts import entry
from qulab.cache import keys
from qulab.cache.read_through import Cache
from qulab.db.engine import Database
from qulab.lab.experiments import Bench, Experiment, Progress, Table, alone, unseen
from qulab.lab.experiments.claim import claimed
from qulab.lab.experiments.in_process import get
from qulab.lab.experiments.pages import LONGEST, lent
from qulab.lab.experiments.tables import figure, range_of
from qulab.lab.measure import Spread, spread

KNOWN, UNKNOWN = "somebody@bench.invalid", "nobody@bench.invalid"
RIGHT, WRONG = "the right password of the bench", "a wrong password of the bench"
OTHERS = "/healthz"  # it asks nothing of database and Redis: what it waits for is the event loop
EACH = 0.002  # seconds between two requests of others


class SignInParameters(msgspec.Struct, frozen=True, kw_only=True):
    tries: Annotated[int, Meta(ge=1, le=500, description="sign-ins with a wrong password, of each kind")] = 50


class SignInResult(msgspec.Struct, frozen=True):
    """Times in milliseconds. `difference` is that of the medians, as a part of the larger one."""

    known: Spread
    unknown: Spread
    difference: float
    others_alone: Spread
    others_meanwhile: Spread


async def run(parameters: SignInParameters, bench: Bench, progress: Progress = unseen) -> SignInResult:
    """Sign in as somebody and as nobody in turns, then let others ask while one signs in."""
    redis = bench.redis(text=True)
    with alone():
        async with (
            bench.migrated() as scratch,
            claimed(redis, [keys.WAKE], seconds=LONGEST),
            lent(scratch, redis, Cache(bench.redis())),
        ):
            await entry.sign_up(scratch, email=KNOWN, name="Somebody", password=RIGHT)
            known, unknown = await _in_turns(scratch, parameters.tries, progress)
            alone_, meanwhile = await _others(scratch)
    medians = spread(known).median, spread(unknown).median
    return SignInResult(
        known=spread(known),
        unknown=spread(unknown),
        difference=abs(medians[0] - medians[1]) / max(medians),
        others_alone=spread(alone_),
        others_meanwhile=spread(meanwhile),
    )


async def _in_turns(scratch: Database, tries: int, progress: Progress) -> tuple[list[float], list[float]]:
    """What else the machine does meets both kinds alike."""
    taken: dict[str, list[float]] = {KNOWN: [], UNKNOWN: []}
    for email in taken:  # unmeasured: what is made once is made
        await _wrong(scratch, email)
    for number in range(tries):
        for email, times in taken.items():
            times.append(await _wrong(scratch, email))
        progress(number + 1, tries)
    return taken[KNOWN], taken[UNKNOWN]


async def _wrong(scratch: Database, email: str) -> float:
    began = time.perf_counter()
    with suppress(entry.WrongPassword):
        await entry.sign_in(scratch, email=email, password=WRONG)
    return 1000 * (time.perf_counter() - began)


async def _others(scratch: Database) -> tuple[list[float], list[float]]:
    """Requests of others, as many alone as there are while one signs in."""
    application = ASGIHandler()
    await get(application, OTHERS)
    signing_in = asyncio.ensure_future(entry.sign_in(scratch, email=KNOWN, password=RIGHT))
    meanwhile = []
    while not signing_in.done():
        meanwhile.append(await _other(application))
    await signing_in
    return [await _other(application) for _ in meanwhile], meanwhile


async def _other(application: ASGIHandler) -> float:
    began = time.perf_counter()
    await get(application, OTHERS)
    taken = 1000 * (time.perf_counter() - began)
    await asyncio.sleep(EACH)
    return taken


def rows(result: SignInResult) -> Table:
    return Table(
        headings=["what", "ms", "n"],
        rows=[
            [what, range_of(times), str(times.n)]
            for what, times in (
                ("signing in as somebody, wrong password", result.known),
                ("signing in as nobody", result.unknown),
                ("another request, alone", result.others_alone),
                ("another request, while one signs in", result.others_meanwhile),
            )
        ],
        notes=[f"Medians, with low – high. Somebody and nobody differ by {figure(100 * result.difference)} %."],
    )


EXPERIMENT = Experiment(
    name="sign-in",
    summary="Sign in as somebody and as nobody, and let others ask meanwhile.",
    parameters=SignInParameters,
    run=run,
    rows=rows,
    unit="tries",
)
