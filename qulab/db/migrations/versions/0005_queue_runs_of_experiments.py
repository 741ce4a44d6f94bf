"""Queue runs of experiments"""

import sqlalchemy as sa
from alembic import op

from qulab.db.base import UTCDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UNDER_WAY = sa.text("status IN ('queued', 'running')")


def upgrade() -> None:
    with op.batch_alter_table("lab_runs") as runs:
        runs.add_column(sa.Column("status", sa.String(20), server_default=sa.text("'done'"), nullable=False))
        runs.add_column(sa.Column("visitor", sa.String(36), server_default=sa.text("''"), nullable=False))
        runs.add_column(sa.Column("samples", sa.JSON(), server_default=sa.text("'[]'"), nullable=False))
        runs.add_column(sa.Column("error", sa.Text(), nullable=True))
        runs.add_column(sa.Column("started_at", UTCDateTime(), nullable=True))
        runs.add_column(sa.Column("finished_at", UTCDateTime(), nullable=True))
        runs.create_check_constraint(
            op.f("ck_lab_runs_status"), "status IN ('queued', 'running', 'done', 'cancelled', 'failed')"
        )
    op.execute("UPDATE lab_runs SET experiment = 'outbox-speed' WHERE experiment = 'outbox'")
    op.create_index(
        "uq_lab_runs_visitor_under_way",
        "lab_runs",
        ["visitor"],
        unique=True,
        postgresql_where=UNDER_WAY,
        sqlite_where=UNDER_WAY,
    )


def downgrade() -> None:
    op.drop_index("uq_lab_runs_visitor_under_way", table_name="lab_runs")
    op.execute("UPDATE lab_runs SET experiment = 'outbox' WHERE experiment = 'outbox-speed'")
    with op.batch_alter_table("lab_runs") as runs:
        runs.drop_constraint(op.f("ck_lab_runs_status"), type_="check")
        for name in ("finished_at", "started_at", "error", "samples", "visitor", "status"):
            runs.drop_column(name)
