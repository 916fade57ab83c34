"""Tables of the second format: what is due for each cube; facts have more fields."""

import sqlalchemy as sa
from alembic import op

revision = "tables_0002"
down_revision = "tables_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make what is new; the rows of the first format are made again by a rebuild."""
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
    op.create_index("due_by_moment", "due", ["tenant", "due_at"])
