import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management.base import CommandError

from qulab.db.engine import Database
from qulab.lab.experiments.environment import commit
from qulab.lab.experiments.options import BadOption, options, parsed
from qulab.lab.experiments.queries import QueriesParameters
from qulab.lab.experiments.registry import EXPERIMENTS
from qulab.lab.scratch import PREFIX
from qulab.management.commands.bench import Command
from tests.bench.conftest import SMALL_OUTBOX


async def bench(*arguments: str) -> str:
    """What the command writes to standard output."""
    out = io.StringIO()
    command = Command(stdout=out, no_color=True)
    given = vars(command.create_parser("manage.py", "bench").parse_args(list(arguments)))
    await command.execute_async(**given)
    return out.getvalue()


def start(database_url: str, redis_url: str, folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url, "TMPDIR": str(folder)}
    command = [sys.executable, "manage.py", "bench", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=django_settings.BASE_DIR, env=environment, stdout=pipe, stderr=pipe, text=True)


class TestJson:
    async def test_queries_reports_201_statements_lazily_and_2_eagerly(self, database: Database) -> None:
        document = json.loads(await bench("queries", "--json"))

        assert document["experiment"] == "queries"
        assert document["parameters"] == {"users": 200, "scores_per_user": 3, "repeats": 3}
        counts = {one["name"]: one["statements"] for one in document["result"]["variants"]}
        assert (counts["lazy"], counts["selectinload"], counts["joinedload"]) == (201, 2, 1)

    async def test_says_where_the_figures_come_from(self, database: Database) -> None:
        environment = json.loads(await bench("queries", "--users", "2", "--json"))["environment"]

        name = {"sqlite": "SQLite 3.", "postgresql": "PostgreSQL 1"}[database.dialect]
        assert environment["database"].startswith(name)
        assert environment["python"].startswith("3.")
        assert environment["processors"] == os.cpu_count()
        assert environment["load"] >= 0
        assert "commit" in environment

    def test_is_all_that_is_on_standard_output(self, migrated: str, redis_url: str, tmp_path: Path) -> None:
        small = [f"{one.flag}={getattr(SMALL_OUTBOX, one.name)}" for one in options(type(SMALL_OUTBOX))]
        with start(migrated, redis_url, tmp_path, "outbox", *small, "--json") as process:
            out, err = process.communicate(timeout=60)

        assert process.returncode == 0, err
        assert err == ""  # no terminal: no bar
        assert json.loads(out)["result"]["counts"]["rounds"][0]["published"] == 60


class TestTable:
    async def test_shows_medians_with_their_spread_and_what_they_were_measured_on(self, database: Database) -> None:
        small = ["--users=5", "--fetches=20", "--repeats=2"]
        of_peers = ["--peer-rounds=1", "--peer-calls=10", "--forced=5", "--stampedes=0", "--outages=false"]
        text = await bench("cache", *small, *of_peers)

        assert "median" in text
        assert "low – high" in text
        assert "mean read without cache" in text
        assert "50 at once, one key: redis-py" in text
        assert "Python 3." in text.splitlines()[-1]
        assert "processors" in text.splitlines()[-1]


class TestOptions:
    def test_every_field_is_an_option_with_a_description_and_bounds(self) -> None:
        for experiment in EXPERIMENTS.values():
            for option in options(experiment.parameters):
                assert option.description, (experiment.name, option.name)
                assert "from" in option.allowed or "true" in option.allowed, (experiment.name, option.name)

    def test_every_default_is_allowed(self) -> None:
        for experiment in EXPERIMENTS.values():
            given = {option.name: str(option.default) for option in options(experiment.parameters)}
            assert parsed(experiment.parameters, given) == experiment.parameters()

    @pytest.mark.parametrize("value", ["0", "501", "-1", "many", "", "2.5", "nan"])
    def test_a_value_out_of_bounds_is_told_in_one_line(self, value: str) -> None:
        with pytest.raises(BadOption) as refused:
            parsed(QueriesParameters, {"users": value})

        assert str(refused.value) == f"--users is {value}: it takes a whole number from 1 to 500."

    async def test_the_command_runs_nothing_then(self, database: Database) -> None:
        with pytest.raises(CommandError, match="--scores-per-user is 11: it takes a whole number from 1 to 10"):
            await bench("queries", "--scores-per-user", "11")


class TestFaults:
    @pytest.mark.parametrize(
        ("variable", "url"),
        [("REDIS_URL", "redis://127.0.0.1:1/0"), ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")],
    )
    def test_a_server_that_is_away_is_told_in_one_line(
        self, redis_url: str, tmp_path: Path, variable: str, url: str
    ) -> None:
        urls = {"DATABASE_URL": f"sqlite:///{tmp_path / 'qulab.db'}", "REDIS_URL": redis_url, variable: url}
        with start(urls["DATABASE_URL"], urls["REDIS_URL"], tmp_path, "cache") as process:
            out, err = process.communicate(timeout=60)

        assert process.returncode == 1
        assert out == ""
        assert err.startswith(f"CommandError: {variable}: ")
        assert err.count("\n") == 1
        assert not (tmp_path / "qulab.db").exists()

    def test_ctrl_c_ends_it_within_a_second_and_nothing_is_left(self, redis_url: str, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'qulab.db'}"
        with start(url, redis_url, tmp_path, "outbox", "--counted", "50000", "--per-commit", "1") as process:
            _until(lambda: bool(list(tmp_path.glob(f"{PREFIX}*/scratch.db"))))
            time.sleep(0.5)  # in the middle of writing
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)

        assert time.monotonic() - began < 2  # a second, on a machine that has nothing else to do
        assert process.returncode == 130, err
        assert (out, err) == ("", "Stopped.\n")
        assert list(tmp_path.iterdir()) == []
        assert _keys(redis_url) == []


def _until(holds: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _keys(redis_url: str) -> list[bytes]:
    import redis

    with redis.Redis.from_url(f"{redis_url.removesuffix('/0')}/4") as client:
        return list(client.keys())


class TestCommit:
    def test_is_read_from_git_files(self, tmp_path: Path) -> None:
        git = tmp_path / ".git"
        (git / "refs" / "heads").mkdir(parents=True)
        (git / "HEAD").write_text("ref: refs/heads/main\n")
        assert commit(tmp_path) is None

        (git / "packed-refs").write_text("# pack-refs\nabc refs/heads/main\n")
        packed = commit(tmp_path)
        (git / "refs" / "heads" / "main").write_text("def\n")
        loose = commit(tmp_path)
        (git / "HEAD").write_text("fff\n")

        assert (packed, loose, commit(tmp_path)) == ("abc", "def", "fff")

    def test_is_none_outside_a_checkout(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            assert commit(Path(folder)) is None
