"""All of `bench outbox` in one run: what its table says, and which peers take part."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from qulab.lab.experiments import (
    Bench,
    outbox_contenders,
)
from qulab.lab.experiments.beside import beside
from qulab.lab.experiments.claim import LOCK, claimed, keep
from qulab.lab.experiments.outbox_contenders import LOOP, PEERS, RELAY, present
from qulab.lab.experiments.outbox_whole import EXPERIMENT
from tests.bench.conftest import SMALL_OUTBOX, Watched, children_running


class TestWhole:
    async def test_its_table_has_every_figure_and_says_what_is_left_out(self, bench: Bench, progress: Watched) -> None:
        result = await EXPERIMENT.run(SMALL_OUTBOX, bench, progress)

        table = EXPERIMENT.rows(result)
        names, notes = [row[0] for row in table.rows], "\n".join(table.notes)
        for figure in ("drained by 1 relay, events/s", "drained by 2 × relay, events/s", "SQL statements in a pass"):
            assert figure in names
        assert "commit to consumer, not woken, p99, ms" in names
        assert "empty tick, 30 published, ms" in names
        on_sqlite = bench.database.dialect == "sqlite"
        assert ("WAL of draining, bytes an event" in names) is not on_sqlite
        assert ("drained by 1 by hand, events/s" in names) is not on_sqlite
        assert ("write lock held by the relay, p99, ms" in names) is on_sqlite
        assert ('"database is locked": 0' in notes) is on_sqlite
        assert progress.told[-1][0] == progress.told[-1][1] == len(progress.told) - 1
        assert children_running() == []

    async def test_the_claim_is_kept_for_as_long_as_it_takes(self, bench: Bench) -> None:
        redis = bench.redis(text=True)
        async with claimed(redis, ["some"], seconds=0.2) as lock, beside(keep(lock, 0.2)):
            await asyncio.sleep(0.5)  # more than it was taken for

            assert await redis.exists(LOCK)

    async def test_without_peers_they_are_named_with_what_installs_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outbox_contenders, "find_spec", lambda _name: None)

        contenders, notes = present(with_peers=True, dialect="postgresql")

        assert contenders == [RELAY, LOOP]
        assert notes[0] == (
            "faststream-outbox is left out: faststream, faststream_outbox, asyncpg is not installed "
            "(pip install -r tests/peers/requirements.txt)."
        )
        assert notes[1].startswith("django-outbox-pattern is left out")

    async def test_outside_a_checkout_and_on_sqlite_it_says_why_they_are_not_there(
        self, settings: Any, tmp_path: Path
    ) -> None:
        on_sqlite = present(with_peers=True, dialect="sqlite")
        settings.BASE_DIR = tmp_path
        outside = present(with_peers=True, dialect="postgresql")

        assert (on_sqlite[0], outside[0]) == ([RELAY], [RELAY, LOOP])
        assert "PostgreSQL only" in on_sqlite[1][0]
        assert "in a checkout" in outside[1][0]

    def test_peers_are_found_where_they_are_installed(self) -> None:
        for peer in PEERS:
            assert peer.missing == [name for name in peer.needs if find_spec(name) is None]
            assert find_spec(peer.module) is not None


class TestCtrlC:
    def test_ends_all_processes_and_nothing_is_left(self, redis_url: str, tmp_path: Path) -> None:
        """On SQLite: the children are the same, and the database is in the folder that is looked at."""
        environment = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{tmp_path / 'qulab.db'}",
            "REDIS_URL": redis_url,
            "TMPDIR": str(tmp_path),
        }
        small = ["--counted", "20", "--events", "50000", "--relays", "1"]
        command = [sys.executable, "manage.py", "bench", "outbox", *small]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, cwd=django_settings.BASE_DIR, env=environment, stdout=pipe, stderr=pipe, text=True
        ) as process:
            deadline = time.monotonic() + 60
            while not children_running():
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)

        assert (process.returncode, out, err) == (130, "", "Stopped.\n")
        assert children_running() == []
        assert list(tmp_path.iterdir()) == []
        assert _keys(redis_url) == []


def _keys(redis_url: str) -> list[bytes]:
    import redis

    with redis.Redis.from_url(f"{redis_url.removesuffix('/0')}/4") as client:
        return list(client.keys())
