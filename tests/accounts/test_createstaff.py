"""`manage.py createstaff` run inside the test, on its database."""

import io
import os
import pty
import subprocess
import sys
from typing import Any

import pytest
from django.contrib.auth.hashers import check_password
from django.core.management.base import CommandError
from sqlalchemy import select

from accounts.models import Credentials, User
from qulab.admin.models import Audit
from qulab.db.engine import Database
from qulab.management import confirm
from qulab.management.commands.createstaff import Command
from tests.access.people import PASSWORD
from tests.process.running import PROJECT, environment

from .pages import EMAIL, NEW, somebody, without_credentials

pytestmark = pytest.mark.usefixtures("cache", "streams_client", "fast")


async def createstaff(*arguments: str, stdin: str = "", monkeypatch: pytest.MonkeyPatch | None = None) -> str:
    out = io.StringIO()
    command = Command(stdout=out, stderr=out, no_color=True)  # type: ignore[arg-type]
    given = vars(command.create_parser("manage.py", "createstaff").parse_args(list(arguments)))
    if monkeypatch is not None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    await command.execute_async(**given)
    return out.getvalue()


async def stored(database: Database, email: str = EMAIL) -> Any:
    async with database.reading() as session:
        columns = (User.id, User.name, Credentials.is_staff, Credentials.password)
        return (await session.execute(select(*columns).join(Credentials).where(User.email == email))).one_or_none()


async def audited(database: Database) -> list[tuple[str, str, str | None, Any]]:
    async with database.reading() as session:
        rows = (await session.scalars(select(Audit).order_by(Audit.id))).all()
    return [(row.via, row.action, row.row_id, row.changes) for row in rows]


class TestANewPerson:
    async def test_is_stored_with_rights_and_an_audit_row(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said = await createstaff(
            "--email",
            " Ada@Example.com",
            "--name",
            "Ada",
            "--password-stdin",
            stdin=f"{NEW}\n",
            monkeypatch=monkeypatch,
        )

        assert said == f"Stored Ada <{EMAIL}>, who is staff.\n"
        row = await stored(database)
        assert (row.name, row.is_staff) == ("Ada", True)
        assert check_password(NEW, row.password)
        assert await audited(database) == [("command", "create", row.id, {"is_staff": [False, True]})]

    async def test_needs_a_name(self, database: Database) -> None:
        with pytest.raises(CommandError, match="Give a --name"):
            await createstaff("--email", EMAIL, "--password-stdin")

    @pytest.mark.parametrize(
        ("stdin", "said"),
        [("\n", "1 to 1000"), ("x" * 1001 + "\n", "1 to 1000"), ("short1\n", "too short"), ("password123\n", "common")],
    )
    async def test_needs_a_password_that_will_do(
        self, database: Database, monkeypatch: pytest.MonkeyPatch, stdin: str, said: str
    ) -> None:
        with pytest.raises(CommandError, match=said):
            await createstaff(
                "--email", EMAIL, "--name", "Ada", "--password-stdin", stdin=stdin, monkeypatch=monkeypatch
            )
        assert await stored(database) is None

    @pytest.mark.parametrize(("email", "name"), [("no address", "Ada"), (EMAIL, "two\nlines")])
    async def test_is_refused_by_field(self, database: Database, email: str, name: str) -> None:
        with pytest.raises(CommandError, match=r"--(email|name): "):
            await createstaff("--email", email, "--name", name, "--password-stdin")

    async def test_is_asked_for_nothing_where_there_is_no_terminal(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(CommandError, match="There is no terminal"):
            await createstaff("--email", EMAIL, "--name", "Ada", monkeypatch=monkeypatch)


class TestSomebodyWhoIsHere:
    async def test_becomes_staff_with_the_password_that_they_have(self, database: Database) -> None:
        person = await somebody(database)
        before = (await stored(database)).password

        said = await createstaff("--email", EMAIL, "--keep-password")

        row = await stored(database)
        assert said == f"Test Person <{EMAIL}> is staff.\n"
        assert (row.is_staff, row.password) == (True, before)
        assert await audited(database) == [("command", "update", person.id, {"is_staff": [False, True]})]
        assert "already" in await createstaff("--email", EMAIL, "--keep-password")

    async def test_gets_a_new_password_so_that_who_took_the_address_first_is_out(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await somebody(database)

        with pytest.raises(CommandError, match="There is no terminal"):
            await createstaff("--email", EMAIL, monkeypatch=monkeypatch)
        assert not (await stored(database)).is_staff
        await createstaff("--email", EMAIL, "--password-stdin", stdin=f"{NEW}\n", monkeypatch=monkeypatch)

        assert check_password(NEW, (await stored(database)).password)

    async def test_keeps_a_password_or_gets_one(self, database: Database) -> None:
        await somebody(database)

        with pytest.raises(CommandError, match="exclude each other"):
            await createstaff("--email", EMAIL, "--keep-password", "--password-stdin")

    async def test_gets_a_first_password_where_there_is_none(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await without_credentials(database)

        await createstaff("--email", EMAIL, "--password-stdin", stdin=f"{NEW}\n", monkeypatch=monkeypatch)

        row = await stored(database)
        assert row.is_staff
        assert check_password(NEW, row.password)

    async def test_loses_the_rights_and_keeps_the_account(self, database: Database) -> None:
        person = await somebody(database, is_staff=True)

        said = await createstaff("--email", EMAIL, "--remove")

        row = await stored(database)
        assert said == f"Test Person <{EMAIL}> is not staff any more.\n"
        assert not row.is_staff
        assert check_password(PASSWORD, row.password)
        assert await audited(database) == [("command", "update", person.id, {"is_staff": [True, False]})]
        assert "nothing to do" in await createstaff("--email", EMAIL, "--remove")

    async def test_nobody_loses_no_rights(self, database: Database) -> None:
        with pytest.raises(CommandError, match="Nobody here has the address"):
            await createstaff("--email", EMAIL, "--remove")


class TestPrompt:
    """In a terminal of its own: the process is given one end, and the test types at the other."""

    def test_asks_twice_without_showing_what_is_typed(self, tmp_path: Any) -> None:
        settings = {"REDIS_URL": "redis://127.0.0.1:1/0"}
        run = environment(tmp_path, **settings)
        subprocess.run([sys.executable, "manage.py", "db", "upgrade"], cwd=PROJECT, env=run, check=True)
        ours, theirs = pty.openpty()
        command = [sys.executable, "manage.py", "createstaff", "--email", EMAIL, "--name", "Ada"]
        process = subprocess.Popen(command, cwd=PROJECT, env=run, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)

        shown = _until(ours, "Password: ")
        os.write(ours, f"{NEW}\n".encode())
        shown += _until(ours, "again: ")
        os.write(ours, f"{NEW}\n".encode())
        shown += _until(ours, "is staff.")

        assert process.wait(30) == 0
        os.close(ours)
        assert NEW not in shown

    def test_puts_the_terminal_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import termios

        ours, theirs = pty.openpty()
        with os.fdopen(theirs) as terminal:
            monkeypatch.setattr(sys, "stdin", terminal)
            before = termios.tcgetattr(theirs)[3]
            with confirm._without_echo():
                assert not termios.tcgetattr(theirs)[3] & termios.ECHO
            assert termios.tcgetattr(theirs)[3] == before
        os.close(ours)


def _until(terminal: int, text: str) -> str:
    shown = ""
    while text not in shown:
        shown += os.read(terminal, 1024).decode()
    return shown
