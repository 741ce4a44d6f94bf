import pytest

from assessments import population, seeding

from .dying import BLOCK


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks of 20 people, so that few people are many blocks."""
    for module in (population, seeding):
        monkeypatch.setattr(module, "BLOCK", BLOCK)
    return BLOCK
