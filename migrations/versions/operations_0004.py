"""Operations of the fourth format: the names that workers have taken."""

import sqlalchemy as sa
from alembic import op

revision = "operations_0004"
down_revision = "operations_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "worker_names",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
    )
