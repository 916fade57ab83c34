"""Tables of the second format: what is new here is made fresh with all the rest by a rebuild."""

import sqlalchemy as sa
from alembic import op

revision = "tables_0002"
down_revision = "tables_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the leaf entry; facts have more fields, so that rows of the first format are no use."""
    op.add_column("outcomes", sa.Column("entry", sa.LargeBinary(), nullable=True))
