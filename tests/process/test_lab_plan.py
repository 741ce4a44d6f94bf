"""What a start decides before anything runs: whose database it is, whom it trusts, and what it says of both."""

import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from qulab.local.lab import Lab, Plan
from qulab.local.log import Log
from qulab.management.commands.lab import _audience_line, _ownership_line, _plan

PORT = 8123


@pytest.fixture(autouse=True)
def as_a_newcomer(settings: Any, tmp_path: Path) -> None:
    settings.QULAB_DATA_DIR = tmp_path
    settings.DATABASE_URL = f"sqlite+aiosqlite:///{tmp_path / 'qulab.db'}"
    settings.LAB, settings.LAB_GIVEN = "open", False
    settings.SECRET_KEY = django_settings.DEVELOPMENT_KEY


def plan(host: str = "127.0.0.1", *, postgres: bool = False) -> Plan:
    return _plan(host=host, port=PORT, postgres=postgres)


def told(one: Plan) -> dict[str, str]:
    """What every process of the lab gets in its environment."""
    return Lab(one, Log(sys.stdout), 0)._environment()


class TestWhoseDatabase:
    def test_the_files_in_the_data_folder_are_the_labs(self) -> None:
        assert plan().owns_database
        assert told(plan())["QULAB_LAB_OWNS_DATABASE"] == "1"
        assert plan(postgres=True).owns_database

    @pytest.mark.parametrize(
        "url", ["postgresql+asyncpg://qulab:secret@db.internal/qulab", "sqlite+aiosqlite:////srv/qulab.db"]
    )
    def test_one_that_was_given_is_not(self, settings: Any, url: str) -> None:
        settings.DATABASE_URL = url

        assert told(plan())["QULAB_LAB_OWNS_DATABASE"] == "0"
        assert _ownership_line(plan()).startswith("it does not own the database")


class TestWhoIsTrusted:
    @pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "localhost", "::1"])
    def test_who_sits_at_this_machine(self, host: str) -> None:
        environment = told(plan(host))

        assert environment["QULAB_LOCAL_OPERATOR"] == "1"
        assert environment["QULAB_LAB"] == "open"
        assert "DJANGO_SECRET_KEY" not in environment
        assert f"{_audience_line(plan(host))}; {_ownership_line(plan(host))}" == (
            "open to this machine; no account needed; "
            "it owns its database: section 2 can delete all of it, also people who signed up"
        )

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "lab.example.com"])
    def test_nobody_where_others_can_reach_it(self, host: str) -> None:
        one = plan(host)
        environment = told(one)

        assert environment["QULAB_LOCAL_OPERATOR"] == "0"
        assert environment["QULAB_LAB"] == "staff"
        assert len(environment["DJANGO_SECRET_KEY"]) >= 50  # not the one that everybody can read
        assert _audience_line(one).startswith("for staff, who sign in")
        assert "also those of people who sign up" in _ownership_line(one)

    def test_nobody_where_a_name_is_allowed_that_leads_here(self, settings: Any) -> None:
        settings.PRODUCTION = True

        assert told(plan())["QULAB_LOCAL_OPERATOR"] == "0"

    def test_what_was_asked_for_stays(self, settings: Any) -> None:
        settings.LAB_GIVEN, settings.SECRET_KEY = True, "k" * 60

        environment = told(plan("0.0.0.0"))

        assert environment["QULAB_LAB"] == "open"
        assert "DJANGO_SECRET_KEY" not in environment
