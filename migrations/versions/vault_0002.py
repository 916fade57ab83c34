"""The vault of the second format: the destroyer's checkpoint, epochs, and names by epoch."""

import sqlalchemy as sa
from alembic import op

revision = "vault_0002"
down_revision = "vault_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep every key and name; a vault of the first format has destroyed and rotated nothing."""
    op.create_table(
        "destroyer",
        sa.Column("partition", sa.Integer(), primary_key=True),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "epochs",
        sa.Column("epoch", sa.Integer(), primary_key=True),
        sa.Column("began_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
    )
    op.execute(
        "INSERT INTO epochs SELECT epoch, 0, NULL FROM"
        " (SELECT epoch FROM content_keys UNION SELECT epoch FROM secrets) AS known"
    )
    op.create_table(
        "entries",
        sa.Column("tenant", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("lookup", sa.LargeBinary(), primary_key=True),
        sa.Column("opaque", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
    )
    op.execute("INSERT INTO entries SELECT tenant, kind, lookup, opaque, 1, sealed FROM directory")
    op.drop_table("directory")
    op.rename_table("entries", "directory")
    op.create_index("directory_by_id", "directory", ["tenant", "opaque"], unique=True)
    if op.get_bind().dialect.name == "postgresql":
        _keep_values_out_of_statistics()
    else:
        # Rows that came and went before left copies of others in the file (`sweep`).
        op.execute("INSERT INTO meta VALUES ('unswept', 'file:upgraded')")


def _keep_values_out_of_statistics() -> None:
    """Let no sample of what will be destroyed outlive it among the planner's statistics."""
    columns = {
        "content_keys": ("key_id", "wrapped"),
        "secrets": ("name", "wrapped"),
        "directory": ("lookup", "opaque", "sealed"),
    }
    for table, names in columns.items():
        for name in names:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {name} SET STATISTICS 0")
