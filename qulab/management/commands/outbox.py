"""`manage.py outbox`: what an operator asks of the outbox and does with events. What changes events asks first."""

import sys
from argparse import ArgumentTypeError
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from redis.exceptions import RedisError
from sqlalchemy import ColumnElement

from outbox import pruning, services, streams
from outbox.admin import DISCARD, REDRIVE, REPLAY
from outbox.figures import outbox_figures, partition_figures
from outbox.models import DomainEvent
from outbox.repositories import DomainEventRepository
from outbox.selectors import MOST_COUNTED
from outbox.services import MoreThanConfirmed
from qulab.admin.declare import Action
from qulab.cache.client import get_streams
from qulab.db.base import utcnow
from qulab.db.command import AsyncCommand
from qulab.db.engine import get_database
from qulab.management import outbox_report
from qulab.management.confirm import agreed, can_ask
from qulab.management.selection import add_selection, age, selected

ACTIONS = {action.name: action for action in (REDRIVE, REPLAY, DISCARD)}
# The actions commit nothing by themselves; here there is nothing else to commit with them.
SERVICES: dict[str, Callable[..., Awaitable[int]]] = {
    REDRIVE.name: services.redrive,
    REPLAY.name: services.replay,
    DISCARD.name: services.discard,
}
HELP = {
    "redrive": "put dead events back to pending",
    "replay": "publish published events again, under new entries",
    "discard": "give dead events up, so that their aggregates flow again",
}
MOST_BATCH = 10_000


class Command(AsyncCommand):
    help = "Show the outbox, redrive, replay or discard events, and prune what is past retention."
    stopped = "Stopped. What was done stays."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="stats|redrive|replay|discard|prune")
        verbs.add_parser("stats", help="depth, lag, counters, streams and groups")
        for name, about in HELP.items():
            verb = verbs.add_parser(name, help=about)
            add_selection(verb)
            verb.add_argument("--yes", action="store_true", help="do not ask")
            if ACTIONS[name].reason:
                verb.add_argument("--reason", required=True, metavar="TEXT", help="why nobody will miss them")
        _add_pruning(verbs.add_parser("prune", help="delete what is past retention"))
        for verb in verbs.choices.values():
            verb.add_argument("--json", action="store_true", help="one JSON document on standard output")

    async def execute_async(self, **options: Any) -> None:
        match options["verb"]:
            case "stats":
                await self._stats(options["json"])
            case "prune":
                await self._prune(**options)
            case verb:
                await self._act(ACTIONS[verb], options)

    async def _stats(self, json: bool) -> None:
        async with get_database().reading() as session:
            figures, partitions = await outbox_figures(session), await partition_figures(session)
        try:
            state = await streams.look(get_streams())
        except RedisError:
            state = None
        if json:
            self._write({"counted_up_to": MOST_COUNTED, "outbox": figures, "partitions": partitions, "redis": state})
        else:
            self.stdout.write("\n".join(outbox_report.stats(figures, partitions, state)))

    async def _prune(self, *, older_than: timedelta, batch: int, dry_run: bool, json: bool, **_: Any) -> None:
        if dry_run:
            told = await pruning.foretell(get_database(), get_streams(), older_than=older_than)
        else:
            told = await pruning.prune(get_database(), get_streams(), older_than=older_than, batch=batch)
        if json:
            self._write(told)
        else:
            self.stdout.write("\n".join(outbox_report.pruned(told)))

    async def _act(self, action: Action, options: dict[str, Any]) -> None:
        where = [getattr(DomainEvent, action.field) == action.value, *selected(options, now=utcnow())]
        async with get_database().reading() as session:
            count = await DomainEventRepository(session).count(*where)
        if count and not options["yes"] and not await self._is_confirmed(action, count):
            self.stderr.write("Nothing was changed.")
            return
        changed = await self._run(action, where, None if options["yes"] else count, options) if count else 0
        if options["json"]:
            self._write({"action": action.name, "changed": changed})
        else:
            self.stdout.write(action.done(changed) if count else f"No {action.value} event matches: nothing to do.")

    async def _is_confirmed(self, action: Action, count: int) -> bool:
        question = action.question(count)
        if not can_ask():
            raise CommandError(f"{question} There is no terminal to ask at: say --yes to do it.")
        return await agreed(f"{question} {action.consequence}", sys.stderr)

    async def _run(
        self, action: Action, where: list[ColumnElement[bool]], at_most: int | None, options: dict[str, Any]
    ) -> int:
        reason = {"reason": options["reason"]} if action.reason else {}
        try:
            async with get_database().writing() as session:
                return await SERVICES[action.name](session, *where, at_most=at_most, **reason)
        except (MoreThanConfirmed, ValueError) as error:
            raise CommandError(str(error)) from error

    def _write(self, document: object) -> None:
        self.stdout.write(msgspec.json.encode(document).decode())


def _add_pruning(parser: CommandParser) -> None:
    days = settings.OUTBOX_RETENTION_DAYS
    told = f"what came to its end longer ago than this ({days}d)"
    parser.add_argument("--older-than", type=age, default=timedelta(days=days), metavar="AGE", help=told)
    told = f"rows in one transaction ({pruning.BATCH})"
    parser.add_argument("--batch", type=_batch, default=pruning.BATCH, metavar="N", help=told)
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")


def _batch(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MOST_BATCH):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MOST_BATCH:,}")
    return int(text)
