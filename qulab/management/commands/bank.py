"""`manage.py bank`: what the item banks are made of; `--release` is the one moment in which a hash is written."""

from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser

from assessments import releases
from assessments.bank import CURRENT, BankError
from assessments.releases import AlreadyReleased, Composition, Part
from qulab.lab.experiments import Table
from qulab.lab.experiments.tables import lines


class Command(BaseCommand):
    help = "Check the item banks and tell what they are made of; --release writes the hash of one that has none yet."
    requires_system_checks = ()  # the banks are what is checked here

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("version", nargs="?", help="of one bank; without it, all of them")
        parser.add_argument("--release", action="store_true", help="write its hash: from then on it cannot be changed")
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        version = options["version"]
        if options["release"] and not version:
            raise CommandError("Name the version that is to be released.")
        try:
            if options["release"]:
                releases.release(version)
            told = [releases.composition(one) for one in ([version] if version else releases.versions())]
        except (BankError, AlreadyReleased) as error:
            raise CommandError(str(error)) from error
        except KeyError as error:
            raise CommandError(f"{error.args[0]}. There are: {', '.join(releases.versions())}.") from error
        if changed := [one for one in told if one.released not in ("", one.sha256)]:
            raise CommandError("\n".join(map(_changed, changed)))
        self.stdout.write(_json(told) if options["json"] else "\n\n".join(map(_text, told)))


def _changed(one: Composition) -> str:
    return f"Item bank {one.version} was released as {one.released}, and is {one.sha256} now: put it back as it was."


def _json(told: list[Composition]) -> str:
    return msgspec.json.encode({"current": CURRENT, "banks": told}).decode()


def _text(one: Composition) -> str:
    total = sum(part.items for part in one.parts)
    state = "released" if one.released else "not released: nobody can be tested with it yet"
    current = ", which new tests take" if one.version == CURRENT else ""
    types = sorted({name for part in one.parts for name in part.types})
    head = ["component", "subdomain", "items", *types, *(f"level {level}" for level in one.parts[0].levels)]
    table = lines(Table(head, [_row(part, types) for part in one.parts]))
    return "\n".join([f"Item bank {one.version}{current}: {total} items, {state}.", f"sha256 {one.sha256}", "", *table])


def _row(part: Part, types: list[str]) -> list[str]:
    counts = [part.items, *(part.types.get(name, 0) for name in types), *part.levels.values()]
    return [part.component, part.subdomain, *map(str, counts)]
