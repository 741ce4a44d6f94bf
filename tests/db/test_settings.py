import os
import runpy
import subprocess
import sys
from typing import Any
from unittest import mock

import pytest
from django.core.exceptions import ImproperlyConfigured

import qulab.settings

KEY_OF_THE_LAB = qulab.settings.DEVELOPMENT_KEY
GOOD_KEY = "a-key-for-tests-that-nobody-uses-elsewhere-0123456789-abcdefgh"
OPEN = {"DJANGO_ALLOWED_HOSTS": "qulab.example.com", "DJANGO_SECRET_KEY": GOOD_KEY}


def check(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "db", "current"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def values(*names: str, **environment: str) -> list[Any]:
    """What the settings are with this environment and nothing else. Raises ImproperlyConfigured."""
    with mock.patch.dict(os.environ, environment, clear=True):
        read = runpy.run_path(qulab.settings.__file__)
    return [read[name] for name in names]


def refusal(**environment: str) -> str | None:
    """Why a server in the open does not start with this; None where it does."""
    try:
        values(**{**OPEN, **environment})
    except ImproperlyConfigured as error:
        return str(error)
    return None


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
            ("QULAB_LAB", "public", "QULAB_LAB is 'public'"),
            ("QULAB_MAX_BODY_BYTES", "12", "QULAB_MAX_BODY_BYTES is 12: it must be at least 1024"),
            ("QULAB_BODY_SECONDS", "0", "QULAB_BODY_SECONDS is 0: it must be at least 0.1"),
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


class TestInTheOpen:
    """With a name beyond loopback, what would let others in ends the command."""

    @pytest.mark.parametrize("host", ["qulab.example.com", "*", ".example.com", "localhost,10.0.0.7", "0.0.0.0"])
    @pytest.mark.parametrize("key", ["", KEY_OF_THE_LAB])
    def test_the_key_of_the_local_lab_is_refused(self, host: str, key: str) -> None:
        assert "DJANGO_SECRET_KEY" in str(refusal(DJANGO_ALLOWED_HOSTS=host, DJANGO_SECRET_KEY=key))

    @pytest.mark.parametrize("key", ["short", GOOD_KEY[:49], "abcd" * 20, "django-insecure-" + GOOD_KEY])
    def test_so_is_one_that_can_be_guessed(self, key: str) -> None:
        assert "DJANGO_SECRET_KEY can be guessed" in str(refusal(DJANGO_SECRET_KEY=key))

    @pytest.mark.parametrize("name", ["DJANGO_DEBUG", "QULAB_LOCAL_OPERATOR"])
    def test_so_is_what_trusts_whoever_asks(self, name: str) -> None:
        assert f"{name} is on" in str(refusal(**{name: "1"}))
        assert refusal(**{name: "1"}, DJANGO_ALLOWED_HOSTS="localhost,[::1]") is None

    def test_the_rest_may_stay_as_it_is(self) -> None:
        assert refusal() is None

    def test_a_message_never_shows_the_key(self) -> None:
        assert "short-and-secret" not in str(refusal(DJANGO_SECRET_KEY="short-and-secret"))


class TestDefaults:
    def test_in_the_open_are_the_safe_ones(self) -> None:
        shown = values(
            "PRODUCTION", "SECURE", "SESSION_COOKIE_SECURE", "LAB", "LOCAL_OPERATOR", "LAB_OWNS_DATABASE", **OPEN
        )

        assert shown == [True, True, True, "staff", False, False]

    def test_hold_no_secret_but_the_key_of_the_local_lab(self) -> None:
        assert values("SECRET_KEY", "EMAIL_HOST_PASSWORD", "REDIS_URL", "DEBUG") == [
            KEY_OF_THE_LAB,
            "",
            "redis://localhost:6379/0",
            False,
        ]
