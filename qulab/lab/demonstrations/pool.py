"""The reset tells what it deleted; the `await` is really forgotten, and Python's words on it recorded."""

import gc
import warnings

import msgspec
from sqlalchemy import text

from accounts.snapshots import UserSnapshot
from assessments.services import lab_row_counts, reset_lab_data
from qulab.db.session import Session
from qulab.lab.runs import Kind

# What is forgotten, as a file of its own; what mypy says of it is compared with the original by a test.
SLIP = """from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def answer(session: AsyncSession) -> int:
    result = session.execute(text("SELECT 42"))  # no await
    return int(result.scalar_one())
"""
MYPY_SAYS = (
    '7: error: "Coroutine[Any, Any, Result[Any]]" has no attribute "scalar_one"  [attr-defined]',
    '7: note: Maybe you forgot to use "await"?',
)


class ResetResult(msgspec.Struct, frozen=True):
    deleted: dict[str, int]
    users: list[UserSnapshot]


class AwaitResult(msgspec.Struct, frozen=True):
    """What the same call gave without and with `await`."""

    returned: str
    error: str
    warning: str
    awaited_returned: str
    value: int


RESET = Kind(2, "reset", ResetResult)
AWAIT = Kind(2, "await", AwaitResult)


async def reset(session: Session) -> ResetResult:
    deleted = await lab_row_counts(session)
    users = await reset_lab_data(session)
    return ResetResult(deleted, [UserSnapshot.of(user) for user in users])


async def forget_await(session: Session) -> AwaitResult:
    returned, error, warning = _without_await(session)
    result = await session.execute(text("SELECT 42"))
    return AwaitResult(returned, error, warning, repr(result), int(result.scalar_one()))


def _without_await(session: Session) -> tuple[str, str, str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = session.execute(text("SELECT 42"))  # no await: nothing is sent
        returned, error = repr(result), ""
        try:
            result.scalar_one()  # type: ignore[attr-defined]
        except AttributeError as refused:
            error = f"{type(refused).__name__}: {refused}"
        del result
        gc.collect()  # the warning comes when the coroutine is thrown away
    told = [f"{one.category.__name__}: {one.message}" for one in caught if "never awaited" in str(one.message)]
    return returned, error, told[0] if told else ""
