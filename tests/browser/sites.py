"""Five running sites: the whole lab, and web processes with no data, with many rows, shared with people, and broken."""

import http.client
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth.hashers import make_password

from qulab.local.redis_server import free_port
from tests.process.running import PROJECT, START_SECONDS, environment, eventually, manage

NOWHERE = "redis://127.0.0.1:1/0"
OWN = {"QULAB_LOCAL_OPERATOR": "1", "QULAB_LAB_OWNS_DATABASE": "1"}  # as `manage.py lab` has it
USERS = 120  # three pages of them
# An event about each user, of every status in turn.
EVENTS = """
INSERT INTO domain_events (id, event_type, aggregate_type, aggregate_id, payload, status, published_at, last_error,
  seq, partition, schema_version, headers, attempts, created_at, updated_at)
SELECT id, 'UserUpdated', 'User', id, json_object('user_id', id), status, iif(status = 'published', created_at, NULL),
  iif(status IN ('dead', 'discarded'), 'ValueError: the payload has no field name, which every consumer reads', NULL),
  number, 1, 1, '{}', iif(status = 'dead', 8, 1), created_at, updated_at
FROM (SELECT *, row_number() OVER (ORDER BY id) AS number,
  CASE row_number() OVER (ORDER BY id) % 4
    WHEN 0 THEN 'dead' WHEN 1 THEN 'published' WHEN 2 THEN 'pending' ELSE 'discarded' END AS status
  FROM users)
"""

# A run of each status, and changes by hand of the newest users.
RUNS = """
INSERT INTO lab_runs (id, experiment, parameters, result, environment, status, visitor, samples, error, started_at,
  finished_at, created_at, updated_at)
SELECT id, iif(number % 2, 'queries', 'pool-sweep'), '{"users": 20, "database": "sqlite"}', '{}',
  '{"database": "SQLite 3.45", "python": "3.11.7", "processors": 2}', status, id, '[["lazy", 1, 2.5]]',
  iif(status = 'failed', 'It took longer than 120 seconds. Ask for less.', NULL), created_at,
  iif(status IN ('queued', 'running'), NULL, updated_at), created_at, updated_at
FROM (SELECT *, row_number() OVER (ORDER BY id) AS number,
  CASE row_number() OVER (ORDER BY id) % 5 WHEN 0 THEN 'failed' WHEN 1 THEN 'queued' WHEN 2 THEN 'running'
    WHEN 3 THEN 'cancelled' ELSE 'done' END AS status
  FROM users LIMIT 12)
"""
AUDIT = """
INSERT INTO audit (id, created_at, updated_at, actor_id, via, action, list_name, row_id, rows, changes, filter, reason)
SELECT id, created_at, updated_at, iif(number % 2, id, NULL), iif(number % 2, 'person', 'operator'),
  iif(number % 3, 'update', 'export'), 'users', iif(number % 3, id, NULL), iif(number % 3, 1, 120),
  iif(number % 3, '{"name": ["Alex", "Alexandra Smith"], "version": [1, 2], "years_experience": [null, 8.5]}', '{}'),
  iif(number % 3, '{}', '{"q": "example.com", "format": "csv"}'), iif(number % 3, 'Asked for by the person', '')
FROM (SELECT *, row_number() OVER (ORDER BY id DESC) AS number FROM users ORDER BY id DESC LIMIT 60)
"""

# One of them has an account, and scores of every kind: two of tests, then what this release cannot read all of.
OWNER, OWNERS_PASSWORD = "owner@example.com", "correct horse battery staple"
SCORES = {
    "given": "parameter_version = '2026.1-input'",
    "later": "parameter_version = '2031.4'",
    "of-another-bank": "calculation_metadata = json_set(calculation_metadata, '$.bank.version', '77')",
    "changed": "air_score = 100, ci_upper = 100",
}
OWNERS = f"""
UPDATE users SET email = '{OWNER}' WHERE id = (SELECT min(id) FROM users);
INSERT INTO credentials (user_id, password, is_staff, created_at, updated_at)
  SELECT id, '{{password}}', 0, created_at, updated_at FROM users WHERE email = '{OWNER}';
"""
A_SCORE = f"""
INSERT INTO air_scores (id, user_id, occupation_code, air_score, vr_score, hr_score, synergy_score, ci_lower, ci_upper,
  parameter_version, calculation_metadata, created_at, updated_at)
SELECT '{{id}}', user_id, occupation_code, air_score, vr_score, hr_score, synergy_score, ci_lower, ci_upper,
  parameter_version, calculation_metadata, created_at, updated_at
FROM air_scores WHERE user_id = (SELECT id FROM users WHERE email = '{OWNER}') ORDER BY id LIMIT 1;
UPDATE air_scores SET {{changes}} WHERE id = '{{id}}';
"""


@dataclass(frozen=True)
class Sites:
    """The origin of each: `lab` as a newcomer has it; the others without relay, so that what they hold stays."""

    lab: str
    empty: str  # and with a Redis that it believes to be emulated
    full: str
    broken: str
    shared: str  # with people, whom a lab that is open to everybody neither shows nor changes

    def __getitem__(self, name: str) -> str:
        origin: str = getattr(self, name)
        return origin


class Web:
    """The web process alone, on a SQLite database of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder, self.port, self._settings = folder, free_port(), settings
        self.origin = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def migrate(self) -> None:
        """Make its database, without rows."""
        self.folder.mkdir()
        upgrade = manage(self.folder, "db", "upgrade", **self._settings)
        assert upgrade.returncode == 0, upgrade.stderr

    def copy(self, other: "Web") -> None:
        """Make its database with what the other one holds: to start a process for that would take seconds."""
        self.folder.mkdir()
        with closing(other.connect()) as there, closing(self.connect()) as here:
            there.backup(here)

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "qulab.db")

    def start(self) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "runserver", "--noreload", str(self.port)],
                cwd=PROJECT,
                env=environment(self.folder, **{**OWN, **self._settings}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self._answers, within=START_SECONDS, what=self._log.read_text)

    def close(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def fill(self) -> None:
        """Many rows of each kind."""
        seeded = manage(self.folder, "seed", "--users", str(USERS), "--scores-per-user", "2", **self._settings)
        assert seeded.returncode == 0, seeded.stderr
        for statement in (EVENTS, RUNS, AUDIT):
            self._execute(statement)
        self._give_somebody_an_account()

    def _give_somebody_an_account(self) -> None:
        with closing(self.connect()) as connection:
            connection.executescript(OWNERS.format(password=make_password(OWNERS_PASSWORD)))
            for name, changes in SCORES.items():
                connection.executescript(A_SCORE.format(id=name, changes=changes))

    def lose_table(self, name: str) -> None:
        """From now on a page that needs this table fails."""
        self._execute(f"DROP TABLE {name}")

    def _execute(self, statement: str) -> None:
        connection = self.connect()
        with connection:
            connection.execute(statement)
        connection.close()

    @property
    def _log(self) -> Path:
        return self.folder / "web.log"

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()
