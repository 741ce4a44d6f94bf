"""One server in the open for the tests of this folder that need a real one."""

from collections.abc import AsyncIterator

import pytest

from qulab.db import migrate
from qulab.db.engine import create_database
from qulab.local import RedisServer

from .production import Server


@pytest.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> AsyncIterator[Server]:
    folder = tmp_path_factory.mktemp("production")
    url = f"sqlite+aiosqlite:///{folder / 'qulab.db'}"
    database = create_database(url)
    await migrate.upgrade(database)
    await database.close()
    running = Server(folder, DATABASE_URL=url, REDIS_URL=redis_server.url, QULAB_DATA_DIR=str(folder))
    yield running
    running.close()
