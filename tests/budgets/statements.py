"""A budget that is exceeded says which statements were sent, how often, and by which lines."""

from collections.abc import Iterator
from contextlib import contextmanager

from qulab.db.engine import Database
from qulab.db.probe import Group, Probe, probe


@contextmanager
def at_most(limit: int, database: Database) -> Iterator[Probe]:
    """Fail where the block sends more than `limit` statements; BEGIN, COMMIT and the like are not counted."""
    with probe(database.engine) as opened:
        yield opened
    if opened.count > limit:
        raise AssertionError(f"{opened.count} statements, where at most {limit} may be sent:\n{told(opened)}")


def told(opened: Probe) -> str:
    """The statements by text, the most frequent first."""
    return "\n".join(_told(group) for group in opened.groups()) or "none"


def _told(group: Group) -> str:
    sql = " ".join(group.sql.split())
    lines = "".join(f"\n      {line} {line.function}" for line in group.lines)
    return f"{group.count:4} × {sql[:200]}{lines}"
