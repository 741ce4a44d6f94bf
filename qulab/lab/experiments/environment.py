"""A figure stands with what it was measured on: database, versions, machine and its load, commit where there is one."""

import os
from pathlib import Path
from typing import Any

from django.conf import settings

from qulab.lab import runs
from qulab.lab.experiments import Bench


def load() -> float:
    """Processes that wanted a processor, on average over the last minute. Ask before a run, which adds its own."""
    return os.getloadavg()[0]


def environment(bench: Bench, load_before: float) -> dict[str, Any]:
    return {**runs.environment(bench.measured), "load": load_before, "commit": commit(settings.BASE_DIR)}


def line(environment: dict[str, Any]) -> str:
    """The environment for the terminal."""
    told = f"{environment['database']} · Python {environment['python']} · SQLAlchemy {environment['sqlalchemy']}"
    told += f" · {environment['system']}, {environment['processors']} processors, load {environment['load']:.1f}"
    return f"{told} · commit {environment['commit'][:10]}" if environment["commit"] else told


def commit(checkout: Path) -> str | None:
    """The commit that is checked out, read from git's files; None outside a checkout. Changes since are not told."""
    git = checkout / ".git"
    try:
        if git.is_file():  # a worktree: the file names its folder
            git = checkout / git.read_text().removeprefix("gitdir:").strip()
        head = (git / "HEAD").read_text().strip()
        name = head.removeprefix("ref:").strip()
        return _resolved(git, name) if head.startswith("ref:") else head
    except OSError:
        return None


def _resolved(git: Path, name: str) -> str | None:
    shared = git / "commondir"
    common = git / shared.read_text().strip() if shared.exists() else git
    if (common / name).exists():
        return (common / name).read_text().strip()
    packed = (common / "packed-refs").read_text().splitlines()
    return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
