"""`manage.py check --deploy` is silent with production settings, and names each part that is taken away."""

import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as project
from django.core.checks import CheckMessage

from qulab.access.deployment import CHAIN, SETTINGS, middlewares_guard_each_answer, settings_fit_the_open
from tests.process.running import PROJECT

from .production import PRODUCTION


def check(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def names(messages: list[CheckMessage]) -> list[str]:
    return [message.msg.split()[0] for message in messages]


@pytest.fixture
def production(settings: Any) -> Any:
    """The settings that a name beyond loopback turns on."""
    for name in ("SECURE_SSL_REDIRECT", "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD"):
        setattr(settings, name, True)
    settings.SECURE_HSTS_SECONDS = 365 * 24 * 3600
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "__Host-session", "__Host-csrf"
    settings.ALLOWED_HOSTS, settings.SITE_URL = ["qulab.example.com"], "https://qulab.example.com"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    return settings


class TestCommand:
    def test_is_silent_with_production_settings(self) -> None:
        result = check(**PRODUCTION)

        assert result.returncode == 0, result.stderr
        assert "no issues" in result.stdout

    def test_names_what_a_server_without_tls_lacks(self) -> None:
        result = check(**PRODUCTION, QULAB_HTTPS="0")

        assert result.returncode != 0
        for name in ("SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_NAME"):
            assert name in result.stderr


class TestSettings:
    def test_fit(self, production: Any) -> None:
        assert settings_fit_the_open(None) == []

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("SECURE_SSL_REDIRECT", False),
            ("SECURE_HSTS_SECONDS", 3600),
            ("ALLOWED_HOSTS", ["*"]),
            ("SITE_URL", "http://qulab.example.com"),
            ("SITE_URL", "https://elsewhere.example"),
            ("STOCK_DJANGO", True),
            ("SECURE_HSTS_INCLUDE_SUBDOMAINS", False),
            ("SECURE_HSTS_PRELOAD", False),
            ("SECURE_CONTENT_TYPE_NOSNIFF", False),
            ("SECURE_REFERRER_POLICY", "unsafe-url"),
            ("SECURE_CROSS_ORIGIN_OPENER_POLICY", None),
            ("X_FRAME_OPTIONS", "SAMEORIGIN"),
            ("CONTENT_SECURITY_POLICY", {"DIRECTIVES": {"default-src": ["'none'"], "script-src": ["'unsafe-inline'"]}}),
            ("SESSION_COOKIE_SECURE", False),
            ("SESSION_COOKIE_NAME", "session"),
            ("CSRF_COOKIE_SECURE", False),
            ("CSRF_COOKIE_HTTPONLY", False),
            ("CSRF_COOKIE_NAME", "csrf"),
            ("CSRF_TRUSTED_ORIGINS", ["http://qulab.example.com"]),
            ("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend"),
            ("SILENCED_SYSTEM_CHECKS", ["security.W009"]),
        ],
    )
    def test_one_that_does_not_is_named(self, production: Any, name: str, value: object) -> None:
        setattr(production, name, value)

        assert names(settings_fit_the_open(None)) == [name]

    def test_each_was_taken_away_above(self) -> None:
        marks = TestSettings.test_one_that_does_not_is_named.pytestmark  # type: ignore[attr-defined]

        assert {name for name, _ in marks[0].args[1]} == set(SETTINGS)


class TestMiddlewares:
    def test_are_all_there_in_order(self) -> None:
        assert middlewares_guard_each_answer(None) == []

    @pytest.mark.parametrize("place", range(len(CHAIN)), ids=CHAIN)
    def test_one_that_is_missing_is_named(self, settings: Any, place: int) -> None:
        last = CHAIN[place].rpartition(".")[2].removeprefix("Serve")
        settings.MIDDLEWARE = [
            path
            for path in project.MIDDLEWARE
            if not path.endswith(f".{last}") or (last == "SessionMiddleware" and "qulab.db" not in path)
        ]

        assert [message.msg for message in middlewares_guard_each_answer(None)] == [
            f"No middleware of MIDDLEWARE is a {CHAIN[place]}."
        ]

    def test_so_is_one_in_the_wrong_place(self, settings: Any) -> None:
        settings.MIDDLEWARE = [*project.MIDDLEWARE[1:], project.MIDDLEWARE[0]]

        [message] = middlewares_guard_each_answer(None)

        assert message.msg == f"In MIDDLEWARE, {CHAIN[1]} must come after {CHAIN[0]}."
