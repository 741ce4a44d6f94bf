import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.process.running import PROJECT, environment, eventually, manage


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    assert manage(folder, "db", "upgrade").returncode == 0
    return folder


def users(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "qulab.db")) as connection:
        (found,) = connection.execute("SELECT count(*) FROM users").fetchone()
    return int(found)


class TestSeedCommand:
    def test_prints_what_was_added_and_then_that_there_is_nothing_to_add(self, folder: Path) -> None:
        first = manage(folder, "seed", "--users", "12", "--scores-per-user", "2", "--seed", "5")
        second = manage(folder, "seed", "--users", "12", "--scores-per-user", "2", "--seed", "5")

        assert first.stdout.startswith("Added 12 users, ")
        assert "24 scores in " in first.stdout
        assert "rows a second" in first.stdout
        assert second.stdout == "Nothing to add: the 12 people of seed 5 are there, each with 2 scores.\n"
        assert first.stderr == second.stderr == ""

    def test_json_is_the_only_thing_on_standard_output(self, folder: Path) -> None:
        result = manage(folder, "seed", "--users", "10", "--seed", "6", "--events", "--json")

        document = json.loads(result.stdout)
        assert document["parameters"] == {"users": 10, "scores_per_user": 3, "seed": 6, "events": True}
        assert (document["added"]["users"], document["added"]["scores"], document["added"]["events"]) == (10, 30, 30)
        assert document["rows_per_second"] > 0

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("--users", "-5"), "'-5' is not a whole number from 0 to 1,000,000"),
            (("--users", "1000001"), "'1000001' is not a whole number"),
            (("--users", "many"), "'many' is not a whole number"),
            (("--users", "1.5"), "'1.5' is not a whole number"),
            (("--users", "1", "--scores-per-user", "21"), "from 0 to 20"),
            (("--users", "1", "--seed", "x"), "argument --seed"),
            ((), "--users"),
        ],
    )
    def test_refuses_an_argument_it_cannot_use(self, folder: Path, arguments: tuple[str, ...], says: str) -> None:
        result = manage(folder, "seed", *arguments)

        assert result.returncode != 0
        assert says in result.stderr
        assert "Traceback" not in result.stderr
        assert result.stdout == ""

    def test_a_database_without_tables_is_told_in_one_line(self, tmp_path: Path) -> None:
        result = manage(tmp_path, "seed", "--users", "1")

        assert "db upgrade" in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1

    def test_ctrl_c_ends_it_at_once_with_whole_blocks_and_a_line_that_says_how_to_go_on(self, folder: Path) -> None:
        before = users(folder)
        command = [sys.executable, "manage.py", "seed", "--users", "400000", "--seed", "7"]
        with subprocess.Popen(
            command, cwd=PROJECT, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            eventually(lambda: users(folder) > before, within=30, what=lambda: "no block was stored")
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=5)

        assert process.returncode == 130
        assert output == ""
        assert errors == "Stopped. What was added stays, and the same command goes on from there.\n"
        assert (users(folder) - before) % 2000 == 0
