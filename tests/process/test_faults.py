"""A setting that cannot work ends the command with one line: what failed, why, what to do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from qulab.local import start_redis
from qulab.local.redis_server import free_port

from .running import manage

COMMANDS = {"lab": ("lab", "--port", "0"), "db": ("db", "upgrade"), "relay": ("relay", "--once")}
MALFORMED = {
    "DATABASE_URL is no URL": ("DATABASE_URL", "not a url"),
    "DATABASE_URL names another database": ("DATABASE_URL", "mysql://127.0.0.1/qulab"),
    "REDIS_URL is no URL": ("REDIS_URL", "localhost:6379"),
}


@pytest.fixture(scope="module")
def own_redis_url(scratch: Path) -> Iterator[str]:
    with start_redis(scratch / "redis") as server:
        yield server.url


def assert_one_line(folder: Path, *arguments: str, names: str, **settings: str) -> None:
    result = manage(folder, *arguments, **settings)

    assert result.returncode != 0, result
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert names in result.stderr
    assert "hidden-word" not in result.stderr + result.stdout


class TestServerAway:
    @pytest.mark.parametrize("command", ["lab", "db", "relay"])
    def test_database_url(self, folder: Path, own_redis_url: str, command: str) -> None:
        url = f"postgresql://name:hidden-word@127.0.0.1:{free_port()}/qulab"

        assert_one_line(folder, *COMMANDS[command], names="DATABASE_URL", DATABASE_URL=url, REDIS_URL=own_redis_url)

    @pytest.mark.parametrize("command", ["lab", "relay"])
    def test_redis_url(self, folder: Path, command: str) -> None:
        url = f"redis://:hidden-word@127.0.0.1:{free_port()}/0"

        assert_one_line(folder, *COMMANDS[command], names="REDIS_URL", REDIS_URL=url)

    def test_sqlite_file_that_cannot_be_made(self, folder: Path) -> None:
        url = "sqlite:////etc/hostname/qulab.db"

        assert_one_line(folder, *COMMANDS["lab"], names="DATABASE_URL", DATABASE_URL=url)


@pytest.mark.parametrize(("setting", "url"), MALFORMED.values(), ids=list(MALFORMED))
def test_malformed_url(folder: Path, setting: str, url: str) -> None:
    assert_one_line(folder, *COMMANDS["lab"], names=setting, **{setting: url})


class TestFolder:
    def test_that_cannot_be_written(self, folder: Path) -> None:
        folder.write_text("a file, so that not even root can make a folder in it")

        result = manage(folder / "data", "lab", "--port", "0")

        assert result.returncode == 1
        assert result.stderr.splitlines() == [
            f"CommandError: The data folder {folder / 'data'} cannot be used: Not a directory. "
            "Set QULAB_DATA_DIR to a folder that you may write to."
        ]


class TestOptions:
    def test_postgres_beside_a_database_url_is_refused(self, folder: Path) -> None:
        assert_one_line(folder, "lab", "--postgres", names="DATABASE_URL", DATABASE_URL="postgresql://127.0.0.1/other")

    def test_a_host_that_is_not_here_is_refused(self, folder: Path) -> None:
        assert_one_line(folder, "lab", "--host", "192.0.2.1", "--port", "0", names="Cannot listen on 192.0.2.1")
