"""Other software is compared in a checkout, where tests/peers is, and only with what says the same."""

from pathlib import Path

from django.core.management.base import CommandError

INSTALL = "pip install -r tests/peers/requirements.txt"


class Disagreement(CommandError):
    """Two that are compared answer differently, so that to compare their speed would mean nothing."""


def are_here(checkout: Path) -> bool:
    """Whether this is a checkout: the peers are no part of what is installed."""
    return (checkout / "tests" / "peers" / "requirements.txt").is_file()
