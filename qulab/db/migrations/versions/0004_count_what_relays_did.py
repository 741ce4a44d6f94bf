"""Count what relays did, and name what waits without a status"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COUNTERS = ("published", "repeated", "recovered", "failed")
DUE = ("ix_events_due", ["partition", "seq"])
BLOCKING = ("ix_events_blocking", ["aggregate_type", "aggregate_id", "seq"])


def _replace(index: tuple[str, list[str]], condition: str) -> None:
    name, columns = index
    where = sa.text(condition)
    op.drop_index(name, table_name="domain_events")
    op.create_index(name, "domain_events", columns, unique=False, postgresql_where=where, sqlite_where=where)


def upgrade() -> None:
    for name in COUNTERS:
        op.add_column(
            "outbox_partitions", sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        )
    _replace(DUE, "published_at IS NULL AND status NOT IN ('dead', 'discarded')")
    _replace(BLOCKING, "published_at IS NULL AND status != 'discarded' AND attempts > 0")


def downgrade() -> None:
    _replace(BLOCKING, "status IN ('pending', 'dead') AND attempts > 0")
    _replace(DUE, "status = 'pending'")
    for name in reversed(COUNTERS):
        op.drop_column("outbox_partitions", name)
