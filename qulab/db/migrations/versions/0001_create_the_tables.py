"""Create the tables"""

import sqlalchemy as sa
from alembic import op
from django.conf import settings

from qulab.db.base import new_id

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite has no identity besides the rowid, and a rowid starts again after pruning: a trigger takes numbers from a
# counter of one row instead.
SQLITE_COUNTER = """
CREATE TABLE outbox_sequence (value BIGINT NOT NULL);
INSERT INTO outbox_sequence VALUES (0);
CREATE TRIGGER domain_events_seq AFTER INSERT ON domain_events BEGIN
  UPDATE outbox_sequence SET value = value + 1;
  UPDATE domain_events SET seq = (SELECT value FROM outbox_sequence) WHERE id = NEW.id;
END
"""


def _on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _seq() -> sa.Column[int]:
    if _on_sqlite():
        return sa.Column("seq", sa.BigInteger(), nullable=False, server_default="0")
    return sa.Column("seq", sa.BigInteger(), sa.Identity(), nullable=False)


def _create_sqlite_counter() -> None:
    table, row, trigger = SQLITE_COUNTER.strip().split(";\n", 2)
    for statement in (table, row, trigger):
        op.execute(statement)


def _create_partitions() -> None:
    names = ("partition", "epoch", "generation", "batch")
    partitions = sa.table(
        "outbox_partitions",
        *(sa.column(name) for name in names),
        sa.column("forks", sa.JSON()),
        sa.column("paused", sa.Boolean()),
    )
    fresh = {"epoch": new_id(), "generation": 0, "batch": 0, "forks": [], "paused": False}
    op.bulk_insert(partitions, [{"partition": number, **fresh} for number in range(settings.OUTBOX_PARTITIONS)])


def upgrade() -> None:
    op.create_table(
        "domain_events",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("event_type", sa.String(length=100), nullable=False),
        sa.Column("aggregate_type", sa.String(length=100), nullable=False),
        sa.Column("aggregate_id", sa.String(length=36), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        _seq(),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=True),
        sa.Column("schema_version", sa.Integer(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("stream_id", sa.String(length=40), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(status = 'published') = (published_at IS NOT NULL)", name=op.f("ck_domain_events_published_has_time")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'published', 'dead', 'discarded')", name=op.f("ck_domain_events_status_known")
        ),
        sa.CheckConstraint(
            "status NOT IN ('dead', 'discarded') OR last_error IS NOT NULL",
            name=op.f("ck_domain_events_given_up_has_reason"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domain_events")),
    )
    op.create_index(op.f("ix_domain_events_aggregate_id"), "domain_events", ["aggregate_id"], unique=False)
    op.create_index(op.f("ix_domain_events_event_type"), "domain_events", ["event_type"], unique=False)
    op.create_index("ix_events_batch", "domain_events", ["partition", "batch"], unique=False)
    op.create_index(
        "ix_events_blocking",
        "domain_events",
        ["aggregate_type", "aggregate_id", "seq"],
        unique=False,
        postgresql_where=sa.text("status IN ('pending', 'dead') AND attempts > 0"),
        sqlite_where=sa.text("status IN ('pending', 'dead') AND attempts > 0"),
    )
    op.create_index(
        "ix_events_due",
        "domain_events",
        ["partition", "seq"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
        sqlite_where=sa.text("status = 'pending'"),
    )
    op.create_index("ix_events_status_created", "domain_events", ["status", "created_at"], unique=False)

    op.create_table(
        "inbox",
        sa.Column("consumer_group", sa.String(length=100), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("event_type", sa.String(length=100), nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("consumer_group", "event_id", name=op.f("pk_inbox")),
    )
    op.create_index(op.f("ix_inbox_processed_at"), "inbox", ["processed_at"], unique=False)

    op.create_table(
        "lab_runs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("experiment", sa.String(length=50), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("environment", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab_runs")),
    )
    op.create_index("ix_lab_runs_experiment_created", "lab_runs", ["experiment", "created_at"], unique=False)

    op.create_table(
        "outbox_partitions",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.String(length=36), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("forks", sa.JSON(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("partition", name=op.f("pk_outbox_partitions")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("occupation_code", sa.String(length=20), nullable=True),
        sa.Column("education_level", sa.String(length=50), nullable=True),
        sa.Column("years_experience", sa.Float(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_index(op.f("ix_users_email"), "users", ["email"], unique=True)

    op.create_table(
        "air_scores",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("occupation_code", sa.String(length=20), nullable=False),
        sa.Column("air_score", sa.Float(), nullable=False),
        sa.Column("vr_score", sa.Float(), nullable=False),
        sa.Column("hr_score", sa.Float(), nullable=False),
        sa.Column("synergy_score", sa.Float(), nullable=False),
        sa.Column("ci_lower", sa.Float(), nullable=False),
        sa.Column("ci_upper", sa.Float(), nullable=False),
        sa.Column("parameter_version", sa.String(length=20), nullable=False),
        sa.Column("calculation_metadata", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_air_scores_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_air_scores")),
    )
    op.create_index("ix_air_scores_user_created", "air_scores", ["user_id", "created_at"], unique=False)
    op.create_index(op.f("ix_air_scores_user_id"), "air_scores", ["user_id"], unique=False)

    op.create_table(
        "assessments",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("component", sa.String(length=50), nullable=False),
        sa.Column("current_ability", sa.Float(), nullable=False),
        sa.Column("items_administered", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_assessments_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessments")),
    )
    op.create_index(op.f("ix_assessments_user_id"), "assessments", ["user_id"], unique=False)

    _create_partitions()
    if _on_sqlite():
        _create_sqlite_counter()


def downgrade() -> None:

    op.drop_table("assessments")

    op.drop_table("air_scores")

    op.drop_table("users")
    op.drop_table("outbox_partitions")

    op.drop_table("lab_runs")

    op.drop_table("inbox")

    op.drop_table("domain_events")
    if _on_sqlite():
        op.drop_table("outbox_sequence")
