"""Tables of the second format: what is due for each cube, and the log's time at each record."""

import sqlalchemy as sa
from alembic import op

revision = "tables_0002"
down_revision = "tables_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is new; facts have more fields, so that rows of the first format are made again."""
    op.create_table(
        "lineage",
        sa.Column("tenant", sa.String(), primary_key=True),
        sa.Column("source", sa.String(), primary_key=True),
        sa.Column("cube", sa.String(), primary_key=True),
        sa.Column("pathway", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
    )
    op.create_index("lineage_by_cube", "lineage", ["tenant", "cube"])
    with op.batch_alter_table("outcomes", recreate="always") as outcomes:
        outcomes.add_column(sa.Column("log_time_ms", sa.BigInteger(), nullable=False))
        outcomes.add_column(sa.Column("entry", sa.LargeBinary(), nullable=True))
    op.create_table(
        "dispositions",
        sa.Column("tenant", sa.String(), primary_key=True),
        sa.Column("idx", sa.BigInteger(), primary_key=True),
        sa.Column("cube", sa.String(), primary_key=True),
        sa.Column("done", sa.String(), nullable=False),
        sa.Column("rules", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("review", sa.String(), nullable=True),
        sa.Column("erasure", sa.String(), nullable=True),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
    )
    op.create_index("dispositions_by_time", "dispositions", ["tenant", "time_s"])
    op.create_table(
        "due",
        sa.Column("tenant", sa.String(), primary_key=True),
        sa.Column("cube", sa.String(), primary_key=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("retention_class", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("rules", sa.String(), nullable=False),
        sa.Column("steps", sa.String(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
    )
    op.create_index("due_by_moment", "due", ["tenant", "due_at", "cube"])
