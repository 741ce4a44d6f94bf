import os
import subprocess
import sys

import pytest


def check(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "db", "current"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "value", "says"),
        [
            ("DATABASE_URL", "not a url", "DATABASE_URL cannot be read as a URL"),
            ("DATABASE_URL", "mysql://localhost/qulab", "names the database 'mysql'"),
            ("DATABASE_URL", "sqlite://", "in-memory"),
            ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", "DATABASE_URL: the database does not answer"),
            ("DATABASE_URL", "postgresql://host:port/name", "DATABASE_URL cannot be read as a URL"),
            ("REDIS_URL", "redis://localhost:99999/0", "REDIS_URL cannot be used"),
            ("DJANGO_ALLOWED_HOSTS", "qulab.example.com", "DJANGO_SECRET_KEY is not set"),
            ("QULAB_CACHE_TTL", "nan", "QULAB_CACHE_TTL is nan"),
            ("REDIS_URL", "localhost:6379", "REDIS_URL cannot be used"),
            ("REDIS_URL", "redis://localhost/14", "REDIS_URL names database 14"),
            ("QULAB_DB_POOL_SIZE", "many", "QULAB_DB_POOL_SIZE is 'many'"),
            ("QULAB_OUTBOX_RETENTION_DAYS", "0", "QULAB_OUTBOX_RETENTION_DAYS is 0: it must be at least 1"),
            ("DJANGO_DEBUG", "perhaps", "DJANGO_DEBUG is 'perhaps'"),
        ],
    )
    def test_a_wrong_value_ends_the_command_with_one_line_that_names_it(self, name: str, value: str, says: str) -> None:
        result = check(**{name: value})

        assert result.returncode != 0
        assert says in result.stderr
        assert "Traceback" not in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1

    @pytest.mark.parametrize(
        ("given", "used"),
        [
            ("postgres://u:p@h/n", "postgresql+asyncpg://u:p@h/n"),
            ("postgresql://u:p@h/n?sslmode=require", "postgresql+asyncpg://u:p@h/n?ssl=require"),
            ("sqlite:///some/file.db", "sqlite+aiosqlite:///some/file.db"),
        ],
    )
    def test_a_common_address_gets_the_async_driver(self, given: str, used: str) -> None:
        from qulab.settings import _database_url

        assert _database_url(given) == used
