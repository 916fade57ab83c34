"""Operations of the third format: turns at an index without transactions that did not end."""

import sqlalchemy as sa
from alembic import op

revision = "operations_0003"
down_revision = "operations_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "index_turns",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("life", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("cubes", sa.String(), nullable=False),
        sa.Column("begun_ms", sa.BigInteger(), nullable=False),
        sa.Column("over_ms", sa.BigInteger(), nullable=True),
    )
