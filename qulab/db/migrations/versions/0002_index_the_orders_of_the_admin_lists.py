"""Index the orders of the admin lists"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_air_scores_score_id", "air_scores", ["air_score", "id"], unique=False)
    op.create_index("ix_users_name_id", "users", ["name", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_users_name_id", table_name="users")
    op.drop_index("ix_air_scores_score_id", table_name="air_scores")
