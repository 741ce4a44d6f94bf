"""Keep sittings and responses"""

import sqlalchemy as sa
from alembic import op

from qulab.db.base import UTCDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

IS_OPEN = sa.text("status = 'in_progress'")
IS_PENDING = sa.text("answered_at IS NULL")
OF_A_SITTING = {
    "sqlite_where": sa.text("sitting_id IS NOT NULL"),
    "postgresql_where": sa.text("sitting_id IS NOT NULL"),
}


def upgrade() -> None:
    op.create_table(
        "sittings",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("occupation_code", sa.String(20), nullable=False),
        sa.Column("bank_version", sa.String(20), nullable=False),
        sa.Column("bank_sha256", sa.String(64), nullable=False),
        sa.Column("seed", sa.String(32), nullable=False),
        sa.Column("completed_at", UTCDateTime(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("status IN ('in_progress', 'completed', 'abandoned')", name=op.f("ck_sittings_status")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sittings_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sittings")),
    )
    op.create_index("ix_sittings_user_id", "sittings", ["user_id"])
    op.create_index(
        "uq_sittings_open_user_id", "sittings", ["user_id"], unique=True, sqlite_where=IS_OPEN, postgresql_where=IS_OPEN
    )
    with op.batch_alter_table("assessments") as assessments:
        assessments.add_column(sa.Column("sitting_id", sa.String(36), nullable=True))
        assessments.add_column(sa.Column("posterior_sd", sa.Float(), server_default=sa.text("1.0"), nullable=False))
        assessments.create_foreign_key(
            op.f("fk_assessments_sitting_id_sittings"), "sittings", ["sitting_id"], ["id"], ondelete="CASCADE"
        )
        assessments.create_index(
            "uq_assessments_sitting_component", ["sitting_id", "component"], unique=True, **OF_A_SITTING
        )
    with op.batch_alter_table("air_scores") as scores:
        scores.add_column(sa.Column("sitting_id", sa.String(36), nullable=True))
        scores.create_foreign_key(
            op.f("fk_air_scores_sitting_id_sittings"), "sittings", ["sitting_id"], ["id"], ondelete="SET NULL"
        )
        scores.create_index("uq_air_scores_sitting_id", ["sitting_id"], unique=True, **OF_A_SITTING)
    op.create_table(
        "responses",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("assessment_id", sa.String(36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.String(20), nullable=False),
        sa.Column("candidates", sa.JSON(), nullable=False),
        sa.Column("answer", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("is_right", sa.Boolean(), nullable=True),
        sa.Column("theta", sa.Float(), nullable=True),
        sa.Column("posterior_sd", sa.Float(), nullable=True),
        sa.Column("answered_at", UTCDateTime(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("(answered_at IS NULL) = (is_right IS NULL)", name=op.f("ck_responses_answered")),
        sa.ForeignKeyConstraint(
            ["assessment_id"],
            ["assessments.id"],
            name=op.f("fk_responses_assessment_id_assessments"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_responses")),
    )
    op.create_index("uq_responses_assessment_item", "responses", ["assessment_id", "item_id"], unique=True)
    op.create_index("uq_responses_assessment_position", "responses", ["assessment_id", "position"], unique=True)
    op.create_index(
        "uq_responses_pending",
        "responses",
        ["assessment_id"],
        unique=True,
        sqlite_where=IS_PENDING,
        postgresql_where=IS_PENDING,
    )


def downgrade() -> None:
    # Without its sitting nobody can go on with such a part, and nobody could end it.
    op.execute(
        "UPDATE assessments SET status = 'abandoned', version = version + 1 "
        "WHERE sitting_id IS NOT NULL AND status = 'in_progress'"
    )
    op.drop_table("responses")
    with op.batch_alter_table("air_scores") as scores:
        scores.drop_index("uq_air_scores_sitting_id")
        scores.drop_constraint(op.f("fk_air_scores_sitting_id_sittings"), type_="foreignkey")
        scores.drop_column("sitting_id")
    with op.batch_alter_table("assessments") as assessments:
        assessments.drop_index("uq_assessments_sitting_component")
        assessments.drop_constraint(op.f("fk_assessments_sitting_id_sittings"), type_="foreignkey")
        assessments.drop_column("posterior_sd")
        assessments.drop_column("sitting_id")
    op.drop_table("sittings")
