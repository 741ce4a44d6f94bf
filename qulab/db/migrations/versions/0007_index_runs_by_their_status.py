"""Index runs by their status"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_lab_runs_status_id", "lab_runs", ["status", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_lab_runs_status_id", table_name="lab_runs")
