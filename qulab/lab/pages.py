"""A template gets frozen values that need no arithmetic: ratios, formulas with values put in, geometry."""

from typing import Any

import msgspec
from django.conf import settings

from qulab.db.engine import Database
from qulab.lab import charts, formulas
from qulab.lab.runs import SavedRun, database_name

# --- Section 2 -------------------------------------------------------------------------------------------------------


class PoolView(msgspec.Struct, frozen=True):
    """`available`: connections that a request could get now without waiting; `most`: N_max.

    `lent`, `longest_wait`: how often one was lent since the process began, and the longest wait for it (milliseconds).
    """

    size: int
    max_overflow: int
    most: int
    checked_out: int
    idle: int
    overflow: int
    available: int
    lent: int
    longest_wait: str


class PoolSettings(msgspec.Struct, frozen=True):
    dialect: str
    size: int
    max_overflow: int
    most: int
    timeout: float
    recycle: float


def pool_view(database: Database) -> PoolView:
    state, waits = database.pool_state(), database.waits
    most = state.size + state.max_overflow
    return PoolView(
        size=state.size,
        max_overflow=state.max_overflow,
        most=most,
        checked_out=state.checked_out,
        idle=state.idle,
        overflow=state.overflow,
        available=most - state.checked_out,
        lent=waits.count,
        longest_wait=f"{1000 * waits.longest:.1f}",
    )


class Seat(msgspec.Struct, frozen=True):
    """One connection that the pool may have, as drawn."""

    x: int
    taken: bool
    open: bool


SEAT_PITCH = 10  # pixels


def pool_now(database: Database) -> dict[str, Any]:
    """The pool at this moment: its numbers, and a seat for each connection that it may open."""
    pool = pool_view(database)
    opened = pool.checked_out + pool.idle
    seats = [Seat(SEAT_PITCH * i + 1, i < pool.checked_out, i < opened) for i in range(pool.most)]
    return {
        "pool": pool,
        "seats": seats,
        "seats_width": SEAT_PITCH * pool.most,
        "available": formulas.available(pool.available, pool.most),
    }


def pool_settings(database: Database) -> PoolSettings:
    state = database.pool_state()
    return PoolSettings(
        dialect=database_name(database),
        size=state.size,
        max_overflow=state.max_overflow,
        most=state.size + state.max_overflow,
        timeout=settings.DB_POOL_TIMEOUT,
        recycle=settings.DB_POOL_RECYCLE,
    )


# --- Section 3 -------------------------------------------------------------------------------------------------------


def queries_result(run: SavedRun | None) -> dict[str, Any]:
    """The statements of a demonstration, where one is shown."""
    return {"bars": charts.waterfall(run.result.statements)} if run and hasattr(run.result, "statements") else {}
