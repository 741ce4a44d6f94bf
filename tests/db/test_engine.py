"""How an engine connects."""

import threading
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from qulab.db.engine import open_database


class TestSQLite:
    """SQLite only: its driver has a thread for each connection."""

    async def test_a_file_that_cannot_be_opened_leaves_no_thread_behind(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        before = set(threading.enumerate())

        for _ in range(50):
            async with open_database(f"sqlite+aiosqlite:///{tmp_path}/file/qulab.db") as database:
                with pytest.raises(OperationalError, match="unable to open"):
                    await database.engine.connect()
            left = set(threading.enumerate()) - before

            assert not [thread for thread in left if "_connection_worker_thread" in thread.name]
