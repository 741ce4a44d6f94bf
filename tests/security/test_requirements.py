"""No version that nobody has tried is installed: each dependency is bounded on both sides."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.process.running import PROJECT

FILES = sorted(PROJECT.glob("**/requirements.txt"))


def lines(file: Path) -> list[str]:
    """What is asked for, without comments."""
    return [line for raw in file.read_text().splitlines() if (line := raw.partition("#")[0].strip())]


REQUIREMENTS = [line for file in FILES if ".venv" not in file.parts for line in lines(file)]


def test_all_files_are_read() -> None:
    assert len(REQUIREMENTS) >= 40


@pytest.mark.parametrize("line", REQUIREMENTS)
def test_each_is_bounded_above_and_below(line: str) -> None:
    requirement = Requirement(line)

    assert {one.operator for one in requirement.specifier} == {">=", "<"}
    assert requirement.url is None
