"""A bank that is not as it was released is found before it is used, and none is released a second time."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command

from assessments import bank as banks
from assessments import releases
from assessments.bank import BANKS, bank
from assessments.pools import pool_of
from assessments.releases import AlreadyReleased
from qulab import asgi

CONCEPTS = "fluency/concepts.toml"
ANOTHER_COMMAND = """
from django.core.management import execute_from_command_line
from assessments.bank import bank
execute_from_command_line(["manage.py", "help"])
print(bank.cache_info().currsize)
"""


CHECK = """
import sys
from pathlib import Path
from django.core.management import execute_from_command_line
from assessments import bank
bank.BANKS = Path(sys.argv[1])
execute_from_command_line(["manage.py", "check"])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the banks, which is the one that is used; what is kept of others is forgotten."""
    copy = Path(shutil.copytree(BANKS, tmp_path / "data"))
    monkeypatch.setattr(banks, "BANKS", copy)
    for kept in (bank, pool_of):
        kept.cache_clear()
    yield copy
    for kept in (bank, pool_of):
        kept.cache_clear()


@pytest.fixture
def draft(folder: Path) -> Path:
    """A second bank, which is not released."""
    second = Path(shutil.copytree(folder / "bank-1", folder / "bank-2"))
    (second / "sha256").unlink()
    spoil(second, 'title = "AI fluency"', 'title = "Fluency with AI"', file="bank.toml")
    return second


def spoil(one: Path, old: str, new: str, *, file: str = CONCEPTS) -> None:
    text = (one / file).read_text(encoding="utf-8")
    assert old in text
    (one / file).write_text(text.replace(old, new, 1), encoding="utf-8")


def told(*arguments: str) -> str:
    out = StringIO()
    call_command("bank", *arguments, stdout=out)
    return out.getvalue()


def errors() -> list[str]:
    found = [one for one in run_checks() if one.id and one.id.startswith("assessments.")]
    assert {one.id for one in found} <= {"assessments.E001"}
    return [one.msg for one in found]


class TestCheck:
    def test_has_nothing_to_say_of_the_banks_as_they_are(self) -> None:
        assert errors() == []

    def test_names_a_bank_that_was_changed_after_its_release(self, folder: Path) -> None:
        spoil(folder / "bank-1", "level = -2", "level = -1")

        (problem,) = errors()

        assert problem.startswith("Item bank 1 cannot be used:\n- it was released as ")

    def test_names_what_is_wrong_with_an_item(self, folder: Path) -> None:
        spoil(folder / "bank-1", 'key = "c"', 'key = "e"')

        (problem,) = errors()

        assert "concepts.toml: con-01: its key 'e' is not one of its options" in problem

    def test_misses_the_bank_that_new_tests_take(self, folder: Path) -> None:
        shutil.rmtree(folder / "bank-1")

        assert errors() == ["there is no item bank '1'"]

    def test_misses_its_hash(self, folder: Path) -> None:
        (folder / "bank-1" / "sha256").unlink()

        (problem,) = errors()

        assert "it was released as nothing" in problem

    def test_looks_at_every_bank_that_was_released(self, draft: Path) -> None:
        releases.release("2")
        spoil(draft, "level = -2", "level = -1")

        (problem,) = errors()

        assert problem.startswith("Item bank 2 ")

    def test_is_told_by_the_command_which_reads_no_bank_on_its_way_there(self, folder: Path) -> None:
        spoil(folder / "bank-1", "level = -2", "level = -1")

        ended = subprocess.run([sys.executable, "-c", CHECK, str(folder)], capture_output=True, text=True, check=False)

        assert ended.returncode == 1
        assert "(assessments.E001) Item bank 1 cannot be used:" in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_lets_a_bank_be_written(self, draft: Path) -> None:
        spoil(draft, 'key = "c"', 'key = "e"')

        assert errors() == []


async def lifespan(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What a server is told when it begins and ends."""

    async def nothing() -> None:
        """This process has databases of its own."""

    monkeypatch.setattr(asgi, "close_all", nothing)
    monkeypatch.setattr(asgi, "end_streams_on_signals", lambda: None)
    monkeypatch.setattr(asgi, "clear_server_logs", lambda: None)
    incoming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(incoming)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await asgi.application({"type": "lifespan"}, receive, send)
    return sent


class TestServer:
    async def test_has_every_released_bank_before_it_serves(
        self, folder: Path, draft: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copytree(draft, folder / "bank-3")
        releases.release("2")

        sent = await lifespan(monkeypatch)

        assert [one["type"] for one in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert bank.cache_info().currsize == 2  # not the one that is not released
        assert pool_of.cache_info().currsize == 6

    async def test_does_not_begin_with_a_bank_that_was_changed(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spoil(folder / "bank-1", "level = -2", "level = -1")

        first, *_ = await lifespan(monkeypatch)

        assert first["type"] == "lifespan.startup.failed"
        assert first["message"].startswith("Item bank 1 cannot be used:\n- it was released as ")

    def test_alone_loads_them(self) -> None:
        """A command that needs no bank does not wait for one."""
        arguments = [sys.executable, "-c", ANOTHER_COMMAND]

        done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60)

        assert "createstaff" in done.stdout
        assert done.stdout.splitlines()[-1] == "0"


class TestCommand:
    def test_tells_what_a_bank_is_made_of(self) -> None:
        text = told()

        assert f"Item bank {banks.CURRENT}, which new tests take: {len(bank().items)} items, released." in text
        assert bank().sha256 in text
        for component in bank().components:
            for one in component.subdomains:
                assert one.name in text

    def test_says_the_same_as_json(self) -> None:
        document = json.loads(told("--json"))

        (one,) = document["banks"]
        assert document["current"] == one["version"] == banks.CURRENT
        assert one["sha256"] == one["released"] == bank().sha256
        assert sum(part["items"] for part in one["parts"]) == len(bank().items)
        for part in one["parts"]:
            assert sum(part["types"].values()) == sum(part["levels"].values()) == part["items"]
            assert list(part["levels"]) == ["-2", "-1", "0", "1", "2"]

    def test_releases_a_bank_that_has_no_hash(self, draft: Path) -> None:
        assert "Item bank 2: 192 items, not released" in told("2")

        assert "Item bank 2: 192 items, released." in told("2", "--release")

        assert bank("2").sha256 == (draft / "sha256").read_text(encoding="ascii").strip()
        assert bank("2").sha256 != bank("1").sha256

    def test_never_writes_a_hash_over_another(self, draft: Path) -> None:
        told("2", "--release")
        before = (draft / "sha256").read_text(encoding="ascii")
        spoil(draft, "level = -2", "level = -1")

        with pytest.raises(CommandError, match="Item bank 2 was released as"):
            told("2", "--release")
        with pytest.raises(AlreadyReleased):
            releases.release("2")
        with pytest.raises(CommandError, match=r"Item bank 2 was released as .*, and is .* now: put it back"):
            told("2")

        assert (draft / "sha256").read_text(encoding="ascii") == before

    def test_does_not_release_what_cannot_be_used(self, draft: Path) -> None:
        spoil(draft, 'key = "c"', 'key = "e"')

        with pytest.raises(CommandError, match="its key 'e' is not one of its options"):
            told("2", "--release")

        assert not (draft / "sha256").exists()

    @pytest.mark.parametrize("version", ["9", "../1", "", "1\n"])
    def test_names_the_banks_that_there_are(self, folder: Path, version: str) -> None:
        with pytest.raises(CommandError, match=r"There are: 1\.|Name the version"):
            told(version, "--release")

    def test_asks_which_one_to_release(self) -> None:
        with pytest.raises(CommandError, match="Name the version"):
            told("--release")
