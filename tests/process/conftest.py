import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qulab.local.redis_server import free_port

from .running import RunningLab


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A short path that other users can pass: PostgreSQL puts its socket there, and as root it is another user."""
    folder = Path(tempfile.mkdtemp(prefix="qulab-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder(scratch: Path, request: pytest.FixtureRequest) -> Path:
    """A data folder that is not there yet."""
    return scratch / str(abs(hash(request.node.nodeid)))


@pytest.fixture
def start_lab(folder: Path) -> Iterator[Callable[..., RunningLab]]:
    labs: list[RunningLab] = []

    def start(*options: str, **settings: str) -> RunningLab:
        labs.append(RunningLab(folder, free_port(), *options, **settings))
        return labs[-1]

    yield start
    for lab in labs:
        lab.close()
