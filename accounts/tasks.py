"""Mail is sent by a worker of the queue `mail`. Its message names a user and nothing else: no address, and no token.

A message may name nobody: who asks for an address without an account must not be answered sooner.
"""

import asyncio
from smtplib import SMTPException
from typing import Any

from celery import Task, shared_task
from django.core.mail import EmailMessage
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from accounts.holders import holder_of_id
from accounts.mail import reset_mail
from qulab.db import worker
from qulab.db.engine import get_database

SEND_SECONDS = 3.0  # to put a message into the queue
SOFT_LIMIT, HARD_LIMIT = 45, 60  # seconds for one mail, with what the mail server takes
RETRIES = 5
FIRST_PAUSE = 30  # seconds, doubled by each attempt
EXPIRES = 3600  # seconds: a link of that age would be over


class NotSent(Exception):
    """The mail could not be handed to a worker: Redis, which carries the queue, does not answer. Try again later."""


class NotTaken(Exception):
    """The mail server does not take the mail. It is asked again, later and later; see whether it runs."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The mail server does not take the mail: {why}.")


async def send_reset(user_id: str) -> None:
    """Ask a worker for the mail that sets this user's password. Raises NotSent."""
    try:
        async with asyncio.timeout(SEND_SECONDS):
            # Celery's client waits for its broker, so it does that in a thread.
            await asyncio.to_thread(send_reset_mail.apply_async, args=[user_id], retry=False, expires=EXPIRES)
    except (OperationalError, RedisError, OSError, TimeoutError) as error:
        raise NotSent from error


@shared_task(
    name="accounts.tasks.send_reset_mail",
    bind=True,
    max_retries=RETRIES,
    soft_time_limit=SOFT_LIMIT,
    time_limit=HARD_LIMIT,
)
def send_reset_mail(self: "Task[..., Any]", user_id: str) -> None:
    """Send the mail. A mail server that fails is asked again."""
    mail = worker.run(_mail_for(user_id))
    if mail is None:
        return
    if failure := _failure_to_send(mail):
        raise self.retry(exc=failure, countdown=FIRST_PAUSE * 2**self.request.retries)


def _failure_to_send(mail: EmailMessage) -> NotTaken | None:
    """In no event loop, and with no session of the database. What comes back says nothing of whom it was for."""
    try:
        mail.send()
    except (SMTPException, OSError) as error:
        return NotTaken(type(error).__name__)
    return None


async def _mail_for(user_id: str) -> EmailMessage | None:
    async with get_database().reading() as session:
        holder = await holder_of_id(session, user_id)
    return reset_mail(holder) if holder else None
