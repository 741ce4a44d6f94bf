"""`manage.py createstaff`: who may see and mend everything is decided at this machine, and noted in the audit."""

import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from accounts import staff
from accounts.forms import LONGEST_PASSWORD, StaffForm, hold_to_the_rules, normalized
from accounts.hashing import hash_password
from accounts.holders import Holder, holder_of_email
from qulab.db.command import AsyncCommand
from qulab.db.engine import get_database
from qulab.management.confirm import asked_secretly, can_ask

TRIES = 3


class Command(AsyncCommand):
    help = "Make somebody staff: a person who is here already, or a new one. --remove takes the rights away."
    stopped = "Stopped. Nothing was changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True, help="the address that they sign in with")
        parser.add_argument("--name", default="", help="of a person who is not here yet")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        parser.add_argument(
            "--keep-password",
            action="store_true",
            help="let a person keep the password they have: only if you know that the account is theirs",
        )
        parser.add_argument("--remove", action="store_true", help="take the rights away; the account stays")

    async def execute_async(self, **options: Any) -> None:
        typed = _checked(options["email"], options["name"])
        async with get_database().reading() as session:
            holder = await holder_of_email(session, typed["email"])
        if options["remove"]:
            await self._remove(typed["email"], holder)
        elif holder is None:
            await self._create(typed, options)
        else:
            await self._promote(holder, options)

    async def _create(self, typed: dict[str, str], options: dict[str, Any]) -> None:
        if not typed["name"]:
            raise CommandError(f"Nobody here has the address {typed['email']}. Give a --name to store a new person.")
        encoded = await hash_password(await self._password(options, **typed))
        async with get_database().writing() as session:
            await staff.create_staff(session, **typed, encoded=encoded)
        self.stdout.write(f"Stored {typed['name']} <{typed['email']}>, who is staff.")

    async def _promote(self, holder: Holder, options: dict[str, Any]) -> None:
        needed = not (options["keep_password"] and holder.password)
        if not needed and options["password_stdin"]:
            raise CommandError("--keep-password and --password-stdin exclude each other.")
        if not needed and holder.is_staff:
            self.stdout.write(f"{holder.name} <{holder.email}> is staff already: nothing to do.")
            return
        password = await self._password(options, email=holder.email, name=holder.name) if needed else None
        encoded = await hash_password(password) if password else None
        async with get_database().writing() as session:
            await staff.make_staff(session, holder=holder, encoded=encoded)
        changed = " The password is set; every session with another one is over." if encoded else ""
        self.stdout.write(f"{holder.name} <{holder.email}> is staff.{changed}")

    async def _remove(self, email: str, holder: Holder | None) -> None:
        if holder is None:
            raise CommandError(f"Nobody here has the address {email}.")
        if not holder.is_staff:
            self.stdout.write(f"{holder.name} <{holder.email}> is not staff: nothing to do.")
            return
        async with get_database().writing() as session:
            await staff.remove_staff(session, holder=holder)
        self.stdout.write(f"{holder.name} <{holder.email}> is not staff any more.")

    async def _password(self, options: dict[str, Any], *, email: str, name: str) -> str:
        """As it was typed or piped, if it is one that may be used."""
        if options["password_stdin"]:
            password = normalized(sys.stdin.readline().rstrip("\r\n"))
            if problems := _problems(password, email=email, name=name):
                raise CommandError(problems)
            return password
        if not can_ask():
            raise CommandError("There is no terminal to ask for a password at: pipe it in, with --password-stdin.")
        for _ in range(TRIES):
            password = normalized(await asked_secretly("Password:", sys.stderr))
            problems = _problems(password, email=email, name=name)
            if not problems and password != normalized(await asked_secretly("The same again:", sys.stderr)):
                problems = "This was not the same."
            if not problems:
                return password
            self.stderr.write(problems)
        raise CommandError("No password was set, and nothing was changed.")


def _checked(email: str, name: str) -> dict[str, str]:
    form = StaffForm({"email": email, "name": name})
    if not form.is_valid():
        raise CommandError(" ".join(f"--{field}: {errors[0]}" for field, errors in form.errors.items()))
    return form.cleaned_data


def _problems(password: str, *, email: str, name: str) -> str:
    if not password or len(password) > LONGEST_PASSWORD:
        return f"A password has 1 to {LONGEST_PASSWORD} characters."
    try:
        hold_to_the_rules(password, email=email, name=name)
    except ValidationError as error:
        return " ".join(error.messages)
    return ""
