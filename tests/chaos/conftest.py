import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from qulab.local import find_redis
from tests.chaos.servers import NoRedis
from tests.conftest import missing


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of one run. Not pytest's: as root, PostgreSQL runs as another user, whom that one shuts out."""
    if find_redis() is None:
        missing("Redis", NoRedis())
    folder = Path(tempfile.mkdtemp(prefix="qulab-chaos-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
