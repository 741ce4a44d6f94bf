import pytest

from tests.cache.source import Source


@pytest.fixture
def source() -> Source:
    return Source()
