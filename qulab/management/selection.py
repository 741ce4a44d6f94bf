"""Events are named by what they are, never by leaving something out: who means all of them says so."""

import re
from argparse import ArgumentTypeError
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from sqlalchemy import ColumnElement

from outbox.models import DomainEvent

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST = 10**8  # of any unit but days: beyond, dates overflow
LONGEST_DAYS = 36_500


def age(text: str) -> timedelta:
    """An argument like 90s, 15m, 2h or 7d."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if found is None or int(found[1]) > (LONGEST_DAYS if found[2] == "d" else LONGEST):
        raise ArgumentTypeError(f"{text!r} is no age: a whole number with s, m, h or d, for example 90s, 15m, 2h or 7d")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def add_selection(parser: CommandParser) -> None:
    parser.add_argument("--id", dest="ids", action="append", default=[], metavar="ID", help="this event; repeatable")
    parser.add_argument("--type", dest="event_type", metavar="TYPE", help="events of this type")
    parser.add_argument("--aggregate-type", metavar="TYPE", help="events about this kind of thing")
    parser.add_argument("--aggregate-id", metavar="ID", help="events about this one")
    parser.add_argument("--older-than", type=age, metavar="AGE", help="created longer ago than 90s, 15m, 2h, 7d")
    parser.add_argument("--newer-than", type=age, metavar="AGE", help="created since 90s, 15m, 2h, 7d ago")
    parser.add_argument("--all", action="store_true", help="every one that this applies to")


def selected(options: dict[str, Any], *, now: datetime) -> list[ColumnElement[bool]]:
    """The clauses of what was asked for. Raises CommandError where that is nothing, or all and not all."""
    where = _clauses(options, now)
    if options["all"] and where:
        raise CommandError("--all means every event that this applies to: leave it out, or what narrows it down.")
    if not (options["all"] or where):
        raise CommandError(
            "Nothing is selected. Name events by --id, --type, --aggregate-type, --aggregate-id, --older-than or "
            "--newer-than, or say --all."
        )
    return where


def _clauses(options: dict[str, Any], now: datetime) -> list[ColumnElement[bool]]:
    columns = (DomainEvent.event_type, DomainEvent.aggregate_type, DomainEvent.aggregate_id)
    where: list[ColumnElement[bool]] = [one == options[one.key] for one in columns if options[one.key] is not None]
    if options["ids"]:
        where.append(DomainEvent.id.in_(options["ids"]))
    if options["older_than"] is not None:
        where.append(DomainEvent.created_at < now - options["older_than"])
    if options["newer_than"] is not None:
        where.append(DomainEvent.created_at >= now - options["newer_than"])
    return where
