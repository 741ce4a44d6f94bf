"""What the database gave up, by no fault of the caller, is tried again whole; never after a COMMIT of unknown end."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError

from qulab.db.session import Session

logger = logging.getLogger(__name__)

ATTEMPTS = 5
FIRST_PAUSE = 0.03  # seconds, doubled by each attempt and spread by chance, so that rivals do not meet again
SERIALIZATION_FAILURES = {"40001", "40P01"}  # SQLSTATE: serialization failure, deadlock

# What asyncpg raises while it connects, SQLAlchemy passes on as it is.
CANNOT_CONNECT = (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Service = Callable[Concatenate[Session, Parameters], Awaitable[Result]]


def retried(service: Service[Parameters, Result]) -> Service[Parameters, Result]:
    """A service whose transaction the database may refuse is run again from its beginning, up to ATTEMPTS times.

    Only where the service itself begins the transaction: what somebody read before it would not be read again. So it
    must take ids and values, no rows, and commit once. Lost connections are tried again too, unless the COMMIT had
    been sent: whether it arrived is unknown, and a repeat could do the work twice.
    """

    @wraps(service)
    async def run(session: Session, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if session.in_transaction():
            return await service(session, *args, **kwargs)
        session.commit_was_sent = False
        for attempt in range(1, ATTEMPTS):
            try:
                return await service(session, *args, **kwargs)
            except (DBAPIError, *CANNOT_CONNECT) as error:
                if not may_succeed_again(error, commit_was_sent=session.commit_was_sent):
                    raise
                logger.info("%s: attempt %d failed (%s), it is tried again", service.__name__, attempt, error)
            await session.rollback()
            await asyncio.sleep(FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311
        return await service(session, *args, **kwargs)

    return run


def may_succeed_again(error: Exception, *, commit_was_sent: bool) -> bool:
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return not commit_was_sent
    return getattr(error.orig, "sqlstate", None) in SERIALIZATION_FAILURES
