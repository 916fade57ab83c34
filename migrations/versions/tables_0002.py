"""Tables of the second format: what is new here is made fresh with all the rest by a rebuild."""

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
