"""One crash at a time, bounded in time; its process is gone and reaped, however the crash ends."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec
from django.conf import settings

from accounts.snapshots import UserSnapshot
from assessments.services import SAMPLE_OCCUPATION
from qulab.db.engine import Database
from qulab.lab.crashes.child import LastWord, Moment

PATIENCE = 20.0  # seconds for a process to start, and to die


class Crashing(Exception):
    """Another crash is under way in this process. It ends within seconds; then try again."""


class NothingCrashed(Exception):
    """The process that was to crash did not come to that point. What it said is in the log of the web process."""


_under_way = False


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Raises Crashing while another one is under way."""
    global _under_way  # one event loop for each process, and no await between look and take
    if _under_way:
        raise Crashing
    _under_way = True
    try:
        yield
    finally:
        _under_way = False


async def crash(moment: Moment, database: Database, user: UserSnapshot) -> LastWord:
    """Let a process store a score for `user` and die; its last word. Raises NothingCrashed."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "qulab.settings"),
        "DATABASE_URL": database.url.render_as_string(hide_password=False),
        "REDIS_URL": settings.REDIS_URL,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "qulab.lab.crashes.child", moment, user.id, user.occupation_code or SAMPLE_OCCUPATION),
        cwd=settings.BASE_DIR,
        env=environment,
        stdin=DEVNULL,
        stdout=PIPE,
        start_new_session=True,  # Ctrl-C is for the server
    )
    try:
        async with asyncio.timeout(PATIENCE):
            said, _ = await process.communicate()
    except TimeoutError:
        raise NothingCrashed from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if not said:
        raise NothingCrashed
    word = msgspec.json.decode(said, type=LastWord)
    if word.died != (process.returncode == -signal.SIGKILL):
        raise NothingCrashed
    return word
